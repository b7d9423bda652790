"""placeholder"""
from symbackprop.printing.index import program_text as matrix_text
