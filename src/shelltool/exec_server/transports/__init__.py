"""What carries messages: WebSocket, lines on two descriptors, queues in memory. Each gives a `channel.Channel`."""
