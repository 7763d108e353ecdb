"""A name -> a backbone with a table of layers; images -> codes; the only training loop."""
