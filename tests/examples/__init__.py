"""The examples, each as its README says how it is run, against a server that goes and comes back."""
