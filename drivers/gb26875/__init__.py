"""GB/T 26875.3: what a user transmission device (用户信息传输装置) tells a centre of fire panels."""
