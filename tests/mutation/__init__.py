"""Do the tests hold the numbers? One small change of the code at a time, and the nearest tests have to notice.

python -m tests.mutation --seed S --count N [--module asymptotics.comparison.averages ...]
"""
