"""With this file here, the modules beside it can be imported by every test below."""
