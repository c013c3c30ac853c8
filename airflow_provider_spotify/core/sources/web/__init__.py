"""What sources of web APIs share: resources and pages as data, one reader, typed rows."""
