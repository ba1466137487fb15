"""The page that shows how right spring-index is: `python -m tests.validation` computes it and draws its figures."""
