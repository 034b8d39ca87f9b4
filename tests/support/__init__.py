"""What tests share: servers, processes and rows to begin with."""
