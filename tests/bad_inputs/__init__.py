"""Bad inputs, made by rule: whatever is wrong with a file or an argument is said, with its place.

`case`:      what is given to a command, and what has to come of it.
`runner`:    runs a case through the command line's own `main`, in this process, and judges it.
`mutations`: systematic changes of valid bytes, cells and JSON values; seeded where they are drawn.

A test module lists its cases and runs them::

    CASES = unique([*table_cases(), *json_cases()])

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_case(case, tmp_path):
        runner.check(case, tmp_path)
"""
