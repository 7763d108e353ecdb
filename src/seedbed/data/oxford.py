def read_queries(p): raise NotImplementedError
