"""Student's t, for the interval in which a mean lies. Pure."""

# 95 % lie between -t and t, by degrees of freedom (from any table of Student's t).
_TABLE = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def quantile_95(count: int) -> float:
    """Half the width of the 95 % interval of a mean, in standard errors, to 1e-3.

    `count` is the number of values, at least two.
    """
    freedom = count - 1
    if freedom <= len(_TABLE):
        return _TABLE[freedom - 1]
    return 1.96 + 2.37 / freedom + 2.8 / freedom**2
