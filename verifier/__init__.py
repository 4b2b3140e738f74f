"""The auditor's offline tool: proves a dossier without our server."""
