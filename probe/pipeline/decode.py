"""Decode packets, and give each released frame its picture by the picture's pts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import av.error

from probe.pipeline.item import Feed, Item, Ticket
from probe.pipeline.planes import Sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

    from probe.pipeline.ledger import Ledger
    from probe.pipeline.upright import Upright


class Decode:
    """Feeds the decoder and waits for nothing: a picture is given when its frame is released.

    A picture that comes out before its frame is due is held. A frame whose picture does not come,
    while one after it does, is invalid: it was damaged or never there.
    """

    name = "decode"

    def __init__(self, context: VideoCodecContext, ledger: Ledger, upright: Upright) -> None:
        self._context = context
        self._ledger = ledger
        self._upright = upright
        self._awaited: deque[Ticket] = deque()
        self._held: dict[int, VideoFrame] = {}
        self._reached: int | None = None
        self._damage: dict[int, str] = {}
        self._sizes = Sizes()

    def work(self, item: Item) -> Sequence[Item]:
        """Feed what came, and return the frames whose pictures are here."""
        for feed in item.feeds:
            self._feed(feed)
        self._awaited.extend(item.tickets)
        return self._given()

    def finish(self) -> Sequence[Item]:
        """Take out what the decoder still holds."""
        if self._awaited:
            self._feed(Feed(None, self._awaited[-1].pts))
        return self._given()

    def _feed(self, feed: Feed) -> None:
        packet = feed.packet
        if packet is not None:
            # Set here, in the one thread that reads it: the next loop shares the packet.
            packet.pts = feed.pts
            packet.dts = None
        try:
            pictures = self._context.decode(packet)
        except av.error.FFmpegError as error:
            self._damage[feed.pts] = f"the packet cannot be decoded: {error.strerror}"
            pictures = []
        for picture in pictures:
            self._take(picture)
        if packet is None:
            self._context.flush_buffers()
            self._reached = feed.pts
            self._damage = {pts: why for pts, why in self._damage.items() if pts > feed.pts}

    def _take(self, picture: VideoFrame) -> None:
        pts = picture.pts
        if pts is None:
            return
        self._reached = pts if self._reached is None else max(self._reached, pts)
        self._held[pts] = picture

    def _given(self) -> list[Item]:
        given: list[Item] = []
        while self._awaited:
            ticket = self._awaited[0]
            picture = self._held.pop(ticket.pts, None)
            if picture is None and (self._reached is None or ticket.pts > self._reached):
                break
            self._awaited.popleft()
            for early in [pts for pts in self._held if pts < ticket.pts]:
                del self._held[early]
            item = self._item(ticket, picture)
            if item is not None:
                given.append(item)
        return given

    def _item(self, ticket: Ticket, picture: VideoFrame | None) -> Item | None:
        damage = self._damage.pop(ticket.pts, None)
        if picture is None:
            why = damage or "the decoder gave no picture for it"
            self._ledger.invalid(ticket.frame, self.name, why)
            return None
        if picture.is_corrupt or damage is not None:
            self._ledger.invalid(ticket.frame, self.name, damage or "the picture is damaged")
            return None
        picture = self._upright(picture)
        picture.pts = ticket.frame
        return Item(
            ticket.frame,
            ticket.scheduled_ns,
            ticket.source_index,
            picture=picture,
            bytes=self._sizes.of(picture),
        )
