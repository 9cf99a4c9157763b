"""Floor 2: the wire. One module a topic family; committed JSON Schemas and golden examples."""
