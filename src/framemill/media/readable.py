"""What may be opened of a file that a stranger has sent: itself, and nothing that it names.

A playlist, a manifest or a script is no medium: it names files and addresses, and whoever reads it opens those with
the farm's rights. So libav may use only those of its formats that hold their bytes themselves, and only the protocol
by which a file is opened. An allow-list, since every release of libav brings formats.
"""

import contextlib
import errno
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path

from framemill.media.boxes import cut_short

_PIPE = ("-", "pipe:", "pipe:0")

#: Of the formats that libav 8 and ffmpeg 9 read, all but devices (lavfi, v4l2, x11grab…), those that listen to or ask
#: a network (rtp, rtsp, sap, sdp), and those that open what they name (concat, dash, hls, imf, vobsub,
#: webm_dash_manifest, avisynth, vapoursynth, dvdvideo). `image2` opens whatever a pattern means: see `_formats`.
FORMATS = (
    "3dostr,3g2,3gp,4xm,aa,aac,aax,ac3,ac4,ace,acm,act,adf,adp,ads,adx,aea,afc,aiff,aix,alaw,alias_pix,alp,amr,amrnb,"
    "amrwb,anm,apac,apc,ape,apm,apng,aptx,aptx_hd,apv,aqtitle,argo_asf,argo_brp,argo_cvg,asf,asf_o,ass,ast,au,av1,avi,"
    "avr,avs,avs2,avs3,bethsoftvid,bfi,bfstm,bin,bink,binka,bit,bitpacked,bmp_pipe,bmv,boa,bonk,brender_pix,brstm,c93,"
    "caf,cavsvideo,cdg,cdxl,cine,codec2,codec2raw,cri_pipe,data,daud,dcstr,dds_pipe,derf,dfa,dfpwm,dhav,dirac,dnxhd,"
    "dpx_pipe,dsf,dsicin,dss,dts,dtshd,dv,dvbsub,dvbtxt,dxa,ea,ea_cdata,eac3,epaf,evc,exr_pipe,f32be,f32le,f64be,"
    "f64le,ffmetadata,film_cpk,filmstrip,fits,flac,flic,flv,frm,fsb,fwse,g722,g723_1,g726,g726le,g728,g729,gdv,"
    "gem_pipe,genh,gif,gif_pipe,gsm,gxf,h261,h263,h264,hca,hcom,hdr_pipe,hevc,hnm,hxvs,iamf,ico,idcin,idf,iff,ifv,"
    "ilbc,image2,image2pipe,ingenient,ipmovie,ipu,ircam,iss,iv8,ivf,ivr,j2k_pipe,jacosub,jpeg_pipe,jpegls_pipe,"
    "jpegxl_anim,jpegxl_pipe,jpegxs_pipe,jv,kux,kvag,laf,lc3,libgme,libopenmpt,live_flv,lmlm4,loas,lrc,luodat,lvf,lxf,"
    "m4a,m4v,matroska,mca,mcc,mgsts,microdvd,mj2,mjpeg,mjpeg_2000,mlp,mlv,mm,mmf,mods,moflex,mov,mp3,mp4,mpc,mpc8,"
    "mpeg,mpegts,mpegtsraw,mpegvideo,mpjpeg,mpl2,mpsub,msf,msnwctcp,msp,mtaf,mtv,mulaw,musx,mv,mvi,mxf,mxg,nc,"
    "nistsphere,nsp,nsv,nut,nuv,obu,ogg,oma,osq,paf,pam_pipe,pbm_pipe,pcx_pipe,pdv,pfm_pipe,pgm_pipe,pgmyuv_pipe,"
    "pgx_pipe,phm_pipe,photocd_pipe,pictor_pipe,pjs,pmp,png_pipe,pp_bnk,ppm_pipe,psd_pipe,psxstr,pva,pvf,qcp,"
    "qdraw_pipe,qoa,qoi_pipe,r3d,rawvideo,rcwt,realtext,redspark,rka,rl2,rm,roq,rpl,rsd,rso,s16be,s16le,s24be,s24le,"
    "s32be,s32le,s337m,s8,sami,sbc,sbg,scc,scd,sdns,sdr2,sds,sdx,ser,sga,sgi_pipe,shn,siff,simbiosis_imx,sln,smjpeg,"
    "smk,smush,sol,sox,spdif,srt,stl,subviewer,subviewer1,sunrast_pipe,sup,svag,svg_pipe,svs,swf,tak,tedcaptions,thp,"
    "tiertexseq,tiff_pipe,tmv,truehd,tta,tty,txd,ty,u16be,u16le,u24be,u24le,u32be,u32le,u8,usm,v210,v210x,vag,"
    "vbn_pipe,vc1,vc1test,vidc,vividas,vivo,vmd,voc,vpk,vplayer,vqf,vvc,w64,wady,wav,wavarc,wc3movie,webm,webp_anim,"
    "webp_pipe,webvtt,wsaud,wsd,wsvqa,wtv,wv,wve,xa,xbin,xbm_pipe,xmd,xmv,xpm_pipe,xvag,xwd_pipe,xwma,yop,yuv4mpegpipe"
)

_followed: ContextVar[bool] = ContextVar("playlists_followed", default=False)


@contextlib.contextmanager
def playlists_followed() -> Iterator[None]:
    """What is read in this block is the farm's own, or its owner's, and may be a package with its playlists."""
    token = _followed.set(True)
    try:
        yield
    finally:
        _followed.reset(token)


def are_followed() -> bool:
    """Whether playlists are followed, to files beside them."""
    return _followed.get()


def reading(path: str, *, playlists: bool = False) -> Mapping[str, str]:
    """The same for libav, as options of `av.open`."""
    return {"protocol_whitelist": "file", "format_whitelist": _formats(path, playlists=playlists)}


def _formats(path: str, *, playlists: bool) -> str:
    known = FORMATS.replace(",image2,", ",") if "%" in path else FORMATS  # `%03d.png` means many files to it
    return f"{known},hls" if playlists else known


_HEAD_BYTES = 1024
_BEGINNINGS = (b"#EXTM3U", b"ffconcat version", b"v=0\r\n", b"v=0\n", b"# VobSub index file", b"[playlist]")
_XML = (b"<MPD", b"<AssetMap", b"<CompositionPlaylist", b"<PackingList", b"<smil", b"<asx", b"<ASX", b"<playlist")


def guarded(args: Sequence[str]) -> list[str]:
    """ffmpeg's arguments with what each input may be read by, where its command does not say so itself."""
    return list(_guarded(args))


def _guarded(args: Sequence[str]) -> Iterator[str]:
    said: list[str] = []  # since the last input
    for at, word in enumerate(args):
        if word == "-i" and at + 1 < len(args):
            form = said[said.index("-f") + 1] if "-f" in said[:-1] else ""
            if "-protocol_whitelist" not in said:
                yield from ("-protocol_whitelist", "pipe" if args[at + 1] in _PIPE else "file")
            if not form and "-format_whitelist" not in said:
                yield from ("-format_whitelist", _formats(args[at + 1], playlists=are_followed()))
            said = []
        else:
            said.append(word)
        yield word


def why_unreadable(path: str, name: str, error: Exception) -> str:
    """Why libav did not open a file, in words; messages call it `name`."""
    if names_others(Path(path)):
        return (
            f"{name} only names other files, as playlists and manifests do: those are not followed. Give the media "
            "themselves, as inputs of one job."
        )
    if "%" in path and getattr(error, "errno", 0) == errno.EINVAL:
        return f"{name} is named like a sequence of pictures: rename it without percent signs."
    if lacks := cut_short(Path(path)):
        return f"{name} cannot be read: it is cut short. {lacks}"
    return f"{name} is not a media file that can be read: {getattr(error, 'strerror', None) or error}."


def names_others(path: Path) -> bool:
    """Whether a file looks like one that only names other files, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(_BEGINNINGS) or (head.startswith(b"<") and any(mark in head for mark in _XML))
