"""The second layer by logistic, hinge, Huber or square loss, as theory: no door leads here yet."""
