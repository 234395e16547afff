"""View data of the charts, one file per chart: what it shows, its caption, its static figure."""
