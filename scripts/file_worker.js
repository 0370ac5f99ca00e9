// Browsers give a page that is opened from disk no Worker. This one runs the worker's script in a hidden frame instead,
// so that the documentation's search works without a server.
"use strict";
if (location.protocol === "file:") {
  const preamble = `
    postMessage = (data) => parent.postMessage(data, "*");
    importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((loaded) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = loaded;
      document.body.append(script);
    })), Promise.resolve());`;
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.document.open();
      inside.document.write(`<body><script>${preamble}<\/script><script src="${url}"><\/script></body>`);
      inside.document.close();
      // Only now: opening a document takes the listeners of its window away.
      this.ready = new Promise((loaded) => { inside.onload = loaded; });
      this.inside = inside;
      this.heard = (event) => {
        if (event.source !== inside) return;
        const message = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(message);
        if (this.onmessage) this.onmessage(message);
      };
      addEventListener("message", this.heard);
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) })));
    }

    terminate() {
      removeEventListener("message", this.heard);
      this.frame.remove();
    }
  };
}
