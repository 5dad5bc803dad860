"""Files that a `custom` export ships next to its weights: configuration and model of its own, without this package.

They need torch and transformers only, and are copied as they are. The check in a fresh process compares them with ScaleModel.
"""
