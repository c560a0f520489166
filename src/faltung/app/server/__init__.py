"""The local server of the playground: Starlette's routes behind one guard, uvicorn on a loopback socket, answers from other processes."""
