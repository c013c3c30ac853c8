"""The same jobs done by others, each as they document it; run by an environment of their own."""
