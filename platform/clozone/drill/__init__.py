"""The drill: kills and cuts whatever it can, then proves from outside that nothing was lost."""
