// Plays a playlist by hls.js where the browser cannot by itself, any other file by the browser alone.
window.fmPlay = (link) => {
  const video = document.getElementById("fm-video");
  if (!video || typeof Hls === "undefined") { setTimeout(() => fmPlay(link), 100); return; }
  const playlist = link.split("?")[0].endsWith(".m3u8");
  if (playlist && Hls.isSupported()) {
    // From the beginning: a growing playlist would else be joined at its end, as if it were live.
    const hls = new Hls({ startPosition: 0, maxBufferLength: 30, liveSyncDurationCount: 1 });
    hls.on(Hls.Events.ERROR, (_, told) => {
      if (!told.fatal) return;
      if (told.type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
      else setTimeout(() => hls.loadSource(link), 1000);
    });
    hls.loadSource(link);
    hls.attachMedia(video);
    window.fmHls = hls;
  } else {
    video.src = link;
  }
  video.play().catch(() => {});
};
