// The engine on a GPU: WebGL 2 with float32 textures.

const webglEngine = (() => {
  let gl = null, failed = false;
  const programs = new Map(), weights = new Map();

  function compiled(kind, text) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    return shader;
  }

  function program(text) {
    if (programs.has(text)) return programs.get(text);
    const made = gl.createProgram();
    gl.attachShader(made, compiled(gl.VERTEX_SHADER, "#version 300 es\nvoid main(){gl_Position=vec4(vec2(gl_VertexID&1,gl_VertexID>>1)*4.0-1.0,0.0,1.0);}"));
    gl.attachShader(made, compiled(gl.FRAGMENT_SHADER, DATA.networks.prelude + text));
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(`no shader: ${gl.getProgramInfoLog(made)}`);
    programs.set(text, made);
    return made;
  }

  function texture(format, width, height, kind, values) {
    const made = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, made);
    gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, kind, gl.FLOAT, values);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    return made;
  }

  function weightsOf(network) {
    if (!weights.has(network)) {
      const rows = Math.ceil(network.weights.length / 1024), filled = new Float32Array(rows * 1024);
      filled.set(network.weights);
      weights.set(network, texture(gl.RGBA32F, 256, rows, gl.RGBA, filled));
    }
    return weights.get(network);
  }

  function draw(pass, plane, inputs, target) {
    const used = program(pass.text);
    gl.useProgram(used);
    for (const [unit, [name, input]] of Object.entries(inputs).entries()) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, input);
      gl.uniform1i(gl.getUniformLocation(used, name), unit);
    }
    gl.uniform2i(gl.getUniformLocation(used, "picture"), plane.width, plane.height);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) throw new Error("float textures cannot be drawn to");
    gl.viewport(0, 0, plane.width * pass.columns, plane.height * pass.rows);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // What was drawn, without halting the page until the GPU is done.
  async function read(width, height) {
    const out = new Float32Array(4 * width * height), buffer = gl.createBuffer();
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, out.byteLength, gl.STREAM_READ);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, 0);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    const done = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    while (gl.clientWaitSync(done, 0, 0) === gl.TIMEOUT_EXPIRED) await new Promise((later) => setTimeout(later, 2));
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, out);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    gl.deleteSync(done);
    gl.deleteBuffer(buffer);
    return out;
  }

  async function run(network, plane) {
    const { width, height } = plane, PICTURE = texture(gl.R32F, width, height, gl.RED, plane.values), WEIGHTS = weightsOf(network);
    const frame = gl.createFramebuffer(), made = [PICTURE];
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    try {
      for (const pass of network.passes) {
        const target = texture(gl.RGBA32F, width * pass.columns, height * pass.rows, gl.RGBA, null);
        draw(pass, plane, { PICTURE, WEIGHTS, ...(pass.inputs ? { BEFORE_raw: made.at(-1) } : {}) }, target);
        made.push(target);
      }
      const { columns, rows } = network.passes.at(-1), across = width * columns, vectors = await read(across, height * rows);
      if (gl.getError() !== gl.NO_ERROR || gl.isContextLost()) throw new Error("the GPU gave up");
      return interleaved(network, vectors, width, height, (number, x, y) => 4 * ((Math.floor(number / columns) * height + y) * across + (number % columns) * width + x));
    } finally {
      gl.deleteFramebuffer(frame);
      made.forEach((one) => gl.deleteTexture(one));
    }
  }

  // Whether this browser has what it takes; asked once.
  function there() {
    if (gl === null && !failed) {
      gl = document.createElement("canvas").getContext("webgl2", { antialias: false, depth: false });
      failed = !gl?.getExtension("EXT_color_buffer_float");
    }
    return !failed;
  }

  return { name: "WebGL 2", there, run, gaveUp: () => { failed = true; } };
})();
