"""How good a clip is: questions and the measurements that answer them."""
