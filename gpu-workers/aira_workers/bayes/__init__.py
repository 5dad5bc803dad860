"""Bayesian optimisation over layer sequences: which of the offered architectures is worth the next evaluation?"""
