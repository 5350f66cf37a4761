"""What the phones do, one group of flows for each kind of phone and transport.

A comment `# RFC N §S` above a flow says which part of an RFC it proves; `cargo xtask rfc` collects these.
"""
