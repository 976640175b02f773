"""The channel layer: Redis pub/sub as in channels_redis, for sockets that come and go by the hundred.

There, each socket has a channel of its own in Redis that nobody here publishes to, and leaving waits its turn for one lock behind all who
come. On a busy loop that took over ten seconds, Daphne gave up on the sockets, and what they had subscribed to stayed for good. Here a
socket that leaves only says so; `tidy` ends what nobody listens to any more.
"""

import asyncio
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from channels_redis.utils import _wrap_close

Json = dict[str, Any]


class GroupLayer(RedisPubSubLoopLayer):  # type: ignore[misc]  # channels_redis has no types
    """The groups of one event loop. Channels are queues of this process, filled by what is published to their groups."""

    channels: dict[str, asyncio.Queue[bytes]]
    groups: dict[str, set[str]]

    async def _subscribe_to_channel(self, channel: str) -> None:
        self.channels[channel] = asyncio.Queue()

    async def receive(self, channel: str) -> Json:
        """The next message. Whoever waits may be cancelled when it is already here, so that is no sign that the channel is gone."""
        found: Json = self.channel_layer.deserialize(await self.channels[channel].get())
        return found

    def forget(self, channel: str) -> None:
        """The channel gets nothing more."""
        self.channels.pop(channel, None)

    async def tidy(self) -> None:
        """Take forgotten channels out of their groups, and end the subscriptions that nobody listens to."""
        for name, members in list(self.groups.items()):
            members.intersection_update(self.channels)
            if not members:
                del self.groups[name]
        for shard in self._shards:
            for name in list(shard._subscribed_to):
                # Whoever joins from here on waits behind us for the lock, and subscribes again.
                if name not in self.groups:
                    await shard.unsubscribe(name)


class ChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """The layer of a process: one of groups for each event loop."""

    def forget(self, channel: str) -> None:
        """Whoever made the channel has left."""
        self._get_layer().forget(channel)

    def _get_layer(self) -> GroupLayer:
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            self._layers[loop] = GroupLayer(*self._args, **self._kwargs, channel_layer=self)
            _wrap_close(self, loop)
        found: GroupLayer = self._layers[loop]
        return found
