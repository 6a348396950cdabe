"""How a run stands, from its files and the backend's word."""
