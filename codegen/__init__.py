"""The compiler: programs of definitions to readable Numba source; knows no network or loss."""

if __name__ != "symbackprop.codegen":
    raise ImportError("the folder codegen/ is installed as symbackprop.codegen: run "
                      "`pip install -e .` once and write `import symbackprop.codegen`")
