"""What a maintainer runs to know that numbers, stored things and refusals can be trusted.

`kill`, `power_cut` and `damage` put to the test what is promised of interruptions and of damaged
files. They have in common small runs of every task and strategy (`tiny_world`, `scenario`), the
command line in forked processes (`process`), a record of what a process does to files (`trace`,
`shim.c`), and what must come out the same (`outcome`).
"""
