"""Every annotated function and dataclass of rlpipe is checked at run time in tests: types, and shapes against each other."""

from jaxtyping import install_import_hook

# A whole number is a number: `coefficient=1` must not fail where 1.0 passes.
install_import_hook("rlpipe", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
