"""Who may do what: one policy table, deny by default, through which every service call passes."""
