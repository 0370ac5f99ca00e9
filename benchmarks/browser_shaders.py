"""Two ways to bring weights into a browser's shader: python benchmarks/browser_shaders.py.

``written`` is the fragment form of ``sweep export`` (weights as constants), ``looped`` that of the report's page (loops
over weights in a texture). Each is compiled, and drawn once on a small picture, in headless Chromium on its software
GPU. Rows: characters of all passes, and how many times longer the written form takes than the looped one, the median of
paired repeats (``ratio``): both run in turn on the same machine, so what else it does cancels out.
"""

from __future__ import annotations

import shutil
from statistics import median
from typing import Any

import torch
from _record import record

from search_space import parse_id
from workers.export.deployed_form import deployed
from workers.export.glsl import plan_of
from workers.export.glsl.fragment import fragment_passes
from workers.export.glsl.webgl import PRELUDE, web_network

NAMES = ("eSR-MAX_s2_K3_C1", "eSR-TM_s2_K5_C4", "eSR-TR_s4_K7_C16", "ESPCN_s2_D22_S32", "FSRCNN_s2_D56_S12_M4")
REPEATS = 3
SIDE = 32
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader")
VERTEX = "#version 300 es\nvoid main(){gl_Position=vec4(vec2(gl_VertexID&1,gl_VertexID>>1)*4.0-1.0,0.0,1.0);}"
RUN = """([passes, VERTEX, SIDE]) => {
  const gl = document.createElement("canvas").getContext("webgl2"), begun = performance.now();
  gl.getExtension("EXT_color_buffer_float");
  for (const [text, columns, rows] of passes) {
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, text]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source); gl.compileShader(shader); gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    gl.uniform2i(gl.getUniformLocation(program, "picture"), SIDE, SIDE);
    const target = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, target);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, SIDE * columns, SIDE * rows);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
    gl.bindTexture(gl.TEXTURE_2D, null);
    gl.viewport(0, 0, SIDE * columns, SIDE * rows);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.FLOAT, new Float32Array(4));
  }
  gl.getExtension("WEBGL_lose_context").loseContext();
  return (performance.now() - begun) / 1000;
}"""
Passes = list[tuple[str, int, int]]


def main() -> None:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        print("not measured: no Chromium (apt-get install chromium)")
        return
    rows = []
    for name in NAMES:
        forms = written(name), looped(name)
        times: list[list[float]] = []
        for _ in range(REPEATS):
            with sync_playwright() as playwright:
                # A browser of its own each time: it keeps what it has compiled.
                browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
                times.append([browser.new_page().evaluate(RUN, [form, VERTEX, SIDE]) for form in forms])
                version = browser.version
                browser.close()
        characters = [sum(len(text) for text, _, _ in form) for form in forms]
        rows.append({
            "config": name,
            "characters_written": characters[0],
            "characters_looped": characters[1],
            "ratio": round(median(a / b for a, b in times), 1),
        })  # fmt: skip
        print(rows[-1], times, flush=True)
    print(record("browser_shaders", {"chromium": version, "repeats": REPEATS, "rows": rows}, ("torch",)))


def module(name: str) -> Any:
    torch.manual_seed(0)
    return parse_id(name).build().eval()


def looped(name: str) -> Passes:
    network: Any = web_network(module(name), parse_id(name).scale)
    return [(PRELUDE + one["text"], one["columns"], one["rows"]) for one in network["passes"]]


def written(name: str) -> Passes:
    """The passes of the fragment form as WebGL takes them, without the last, which puts sub-pixels in their places."""
    passes = fragment_passes(plan_of(deployed(module(name)), parse_id(name).scale))[:-1]
    made = []
    for one in passes:
        size = f"vec2({one.size[0]},{one.size[1]})"
        names = "\n".join(f"#define {texture}_raw BEFORE_raw" for texture in one.reads)
        names += "\n#define HOOKED_raw PICTURE\n#define HOOKED_mul 1.0\n"
        head = f"{names}#define HOOKED_pos (gl_FragCoord.xy/(vec2(picture)*{size}))\n"
        made.append((PRELUDE + head + "\n".join(one.body) + "\nvoid main(){result=hook();}", *one.size))
    return made


if __name__ == "__main__":
    main()
