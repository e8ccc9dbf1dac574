"""The second layer by logistic, hinge, Huber or square loss on class labels."""
