"""The composition root and what a command asks of it.

`compose` is the one place that knows every adapter; `session` is an opened cluster; the rest are what
commands do with one: `change` (plan, carry out), `wishes` (scale, cordon, drain), `sight` (status), `use`.
"""
