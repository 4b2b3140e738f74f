"""Routes about batch records besides the records themselves: typed values, lots in doubt."""
