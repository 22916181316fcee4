"""The dashboard and the API: pictures, statistics, health and metrics over HTTP."""
