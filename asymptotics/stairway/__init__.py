"""Which test error does no second layer get below?"""
