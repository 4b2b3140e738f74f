"""What the plant is made of and what it makes: places, signals, materials, orders, recipes."""
