"""The rules by which evidence is found; docs/offline-model.md tells them in words."""
