"""Networks declared in SymPy, derived on paper, trained in one compiled call."""
