// Files that are dropped on `#fm-drop` are asked about (`fm_wanted`), sent to the link that comes back, and told of
// (`fm_sent`). The bytes go past the page's web socket.
(() => {
  const files = new Map();
  let count = 0;

  const row = (key) => document.getElementById(`fm-upload-${key}`);

  const take = (list) => {
    for (const file of list) {
      const key = String(++count);
      files.set(key, file);
      const line = document.createElement("li");
      line.id = `fm-upload-${key}`;
      const name = document.createElement("span");
      name.textContent = file.name;
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.value = 0;
      line.append(name, bar, document.createElement("em"));
      document.getElementById("fm-uploads").append(line);
      emitEvent("fm_wanted", { key, name: file.name, size: file.size, type: file.type });
    }
  };

  window.fmFailed = (key, why) => {
    row(key).querySelector("em").textContent = why;
    row(key).classList.add("failed");
  };

  window.fmSend = (key, upload, link) => {
    const file = files.get(key);
    const request = new XMLHttpRequest();
    request.open("PUT", link);
    request.upload.onprogress = (at) => {
      row(key).querySelector("progress").value = at.loaded / Math.max(at.total, 1);
    };
    request.onload = () => {
      if (request.status >= 300) {
        let why = `The farm answered ${request.status}.`;
        try { why = JSON.parse(request.responseText).error.message; } catch { /* no envelope */ }
        fmFailed(key, why);
        return;
      }
      row(key).querySelector("progress").value = 1;
      emitEvent("fm_sent", { key, upload, name: file.name });
    };
    request.onerror = () => fmFailed(key, "The connection was cut: drop it again.");
    request.send(file);
  };

  const begin = () => {
    const zone = document.getElementById("fm-drop");
    if (!zone) { setTimeout(begin, 50); return; }
    zone.addEventListener("dragover", (at) => { at.preventDefault(); zone.classList.add("over"); });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (at) => {
      at.preventDefault();
      zone.classList.remove("over");
      take(at.dataTransfer.files);
    });
    zone.querySelector("input[type=file]").addEventListener("change", (at) => {
      take(at.target.files);
      at.target.value = "";
    });
  };
  begin();
})();
