/* FFmpeg's decoders and encoders: whose turn it is. Nothing is moved here that counts as a copy.
 *
 * An entry's handle is the codec's context, its bytes are the packet's or the picture's (0 for
 * sound and for pictures on a device), its result is the function's: 0, or negative, -EAGAIN where
 * it wants more first. To open a file may decode a picture too, with a context of its own.
 */
#include "pictures.h"

#include <errno.h>

/* The first fields of AVPacket: the same in FFmpeg 4 to 8 (libavcodec 58 to 62). */
typedef struct {
    void *buffer;
    int64_t pts, dts;
    uint8_t *data;
    int size;
} Packet;

static int64_t decoded_bytes(const void *real, const Frame *frame)
{
    lp_enter();
    int64_t bytes = lp_frame_bytes(real, frame);
    lp_leave();
    return bytes;
}

HOOK(int, avcodec_send_packet, (void *codec, const Packet *packet), (codec, packet), NOT_THERE)
{
    if (!lp_active())
        return real(codec, packet);
    int64_t start = lp_now(), bytes = packet != NULL ? packet->size : 0;
    int result = real(codec, packet);
    lp_called(METHOD_AVCODEC_SEND_PACKET, caller, start, codec, bytes, result);
    return result;
}

HOOK(int, avcodec_receive_frame, (void *codec, Frame *frame), (codec, frame), NOT_THERE)
{
    if (!lp_active())
        return real(codec, frame);
    int64_t start = lp_now();
    int result = real(codec, frame), error = errno;
    int64_t bytes = result >= 0 ? decoded_bytes((const void *)real, frame) : 0;
    lp_called(METHOD_AVCODEC_RECEIVE_FRAME, caller, start, codec, bytes, result);
    errno = error;
    return result;
}

HOOK(int, avcodec_send_frame, (void *codec, const Frame *frame), (codec, frame), NOT_THERE)
{
    if (!lp_active())
        return real(codec, frame);
    int64_t start = lp_now();
    int result = real(codec, frame), error = errno;
    int64_t bytes = decoded_bytes((const void *)real, frame);
    lp_called(METHOD_AVCODEC_SEND_FRAME, caller, start, codec, bytes, result);
    errno = error;
    return result;
}

HOOK(int, avcodec_receive_packet, (void *codec, Packet *packet), (codec, packet), NOT_THERE)
{
    if (!lp_active())
        return real(codec, packet);
    int64_t start = lp_now();
    int result = real(codec, packet);
    int64_t bytes = result >= 0 && packet != NULL ? packet->size : 0;
    lp_called(METHOD_AVCODEC_RECEIVE_PACKET, caller, start, codec, bytes, result);
    return result;
}
