"""ffmpeg's options that are not taken, and why: what to say instead, where there is something."""

from collections.abc import Mapping
from types import MappingProxyType

_BY_REASON = {
    "one thread an encode makes the same bytes on every machine; --slots says how many run side by side": """
        threads thread_type filter_threads filter_complex_threads slices cpuflags cpucount""",
    "the destination's suffix says the container": "f format",
    "the source is the command's first word": "i",
    "an output is replaced only when the new one is verified": "y n",
    "a part is said by -ss with -to or -t": """
        fs sseof frames vframes aframes dframes stream_loop itsoffset itsscale""",
    "every frame keeps its own time; -r and -fpsmax change the rate": """
        fps_mode vsync async enc_time_base copyts start_at_zero copytb video_track_timescale shortest
        avoid_negative_ts output_ts_offset muxdelay muxpreload""",
    "of ffmpeg's filters a chain of pictures' is taken, by -vf": """
        filter_complex lavfi filter_script filter_complex_script af filter_hw_device sws_flags aspect autorotate
        canvas_size apply_cropping""",
    "the first picture and sound streams are taken, and the text tracks that the container holds": """
        map map_channel discard disposition program streamid stream_group map_chapters""",
    "tags come from the source": "metadata map_metadata timecode",
    "it reads or writes another file": """
        attach dump_attachment passlogfile stats vstats vstats_file vstats_version report progress sdp_file pre vpre
        apre spre fpre x265-stats print_graphs_file tag_file ffpreset""",
    "the first of two passes is as fast as it may be without changing the second": "fastfirstpass",
    "the setting hardware says where pictures may be encoded": """
        hwaccel hwaccel_device hwaccel_output_format init_hw_device qsv_device""",
    "it is no option of an output; ffmpeg's messages are read here, and the report tells them": """
        v loglevel hide_banner nostdin nostats stats_period benchmark benchmark_all debug_ts xerror max_error_rate
        abort_on err_detect""",
    "it is no option of an output; sources are opened here, by their path or http(s) URL": """
        protocol_whitelist protocol_blacklist safe re readrate headers user_agent http_proxy key fflags probesize
        analyzeduration format_whitelist codec_whitelist""",
    "qualities and rates are said by -crf or -b:v for pictures, and -b:a for sound": "q qscale aq global_quality",
    "keyframes stand at the start of each chunk, each segment, and every -g frames": "force_key_frames forced-idr",
    "streams are written as every player takes them": """
        bsf flags flags2 strict tag_all movie_timescale frag_duration brand write_tmcd max_muxing_queue_size
        max_interleave_delta bits_per_raw_sample atag""",
    "its sample format is what the encoder takes": "sample_fmt",
    "the layout follows from -ac": "ch_layout channel_layout",
    "the source's colours are kept and told; the settings tone_map and color_matrix convert them": """
        color_primaries color_trc colorspace color_range chroma_sample_location""",
    "it signals a buffer for one encode, which does not hold over chunks": "nal-hrd",
    "GOPs are closed, with an IDR frame each: a chunk must stand by itself": "intra-refresh",
}

#: By the option's name, without the dash and the stream.
WHY: Mapping[str, str] = MappingProxyType({name: why for why, names in _BY_REASON.items() for name in names.split()})
