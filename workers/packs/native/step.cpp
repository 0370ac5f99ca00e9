// One training step of all members of a pack: forward, loss, backward and update, a few patches at a time.
#include "heads.hpp"
#include "nets.hpp"
#include "orthogonal.hpp"
#include "quality.hpp"
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <system_error>
#include <thread>

namespace {

constexpr int MOST_TAPS = 256;     // of a filter trained by its cosine coefficients
constexpr double HUGE_LOSS = 1e9;  // of a chunk: summed over its pixels, which are of the order of one

struct View {  // targets laid out as the last layer's outputs are
    int side, pixels, count;       // row stride, pixels of a plane, number of (tiles or patches)
    std::vector<float> target;     // [count][s * s][pixels]
    std::vector<int32_t> inside;   // [count][pixels]
};

struct Pack {
    int patch, border, batch, scale, loss, chunks, inner;
    std::vector<Member> members;
    std::map<int, View> views;     // by the side of the last layer's input; 0: one-layer nets
    int radius = 0, tile = 1;      // of one-layer nets: the widest filter, and patches unfolded together
    std::vector<float> unfolded;   // [tile][tap][pixels]
    std::vector<std::vector<float>> gradients;  // of a member: [chunk][parameters]
    std::vector<Scratch> scratch;
    std::vector<double> losses;    // [member][chunk]
    std::vector<float> multiplier; // of the step of each parameter of all members
    std::map<int, std::vector<float>> bases;  // by the side of a filter: [tap][coefficient]

    int subpixels() const { return scale * scale; }
    int side() const { return 2 * radius + 1; }
};

struct Inputs {
    const float *lr, *hr;
    float *weights, *first, *second;
    const float* rate;             // of each member; 0 or less: leave it alone
    double* losses;
    float beta1, beta2, eps, root_correction;
};

int view_of(const Member& m) { return m.hidden.empty() ? 0 : m.groups[0].product.side_in; }

void fill_view(const Pack& p, View& view, const float* hr) {
    const int inner = p.inner, s = p.scale, wide = p.patch * s;
    const int per = view.side ? 1 : p.tile, stride = view.side ? view.side : inner;
    for (int patch = 0; patch < p.batch; patch++) {
        float* to = view.target.data() + long(patch / per) * p.subpixels() * view.pixels;
        const float* from = hr + long(patch) * wide * wide;
        const int at = (patch % per) * inner * inner;
        for (int j = 0; j < p.subpixels(); j++, to += view.pixels)
            for (int y = 0; y < inner; y++) {
                const float* line = from + long((p.border + y) * s + j / s) * wide + p.border * s + j % s;
                for (int x = 0; x < inner; x++) to[at + y * stride + x] = line[x * s];
            }
    }
}

View make_view(const Pack& p, int side) {
    View v;
    const int inner = p.inner;
    v.side = side;
    v.count = side ? p.batch : (p.batch + p.tile - 1) / p.tile;
    v.pixels = side ? round_up((inner - 1) * side + inner, LANES) : round_up(p.tile * inner * inner, LANES);
    v.target.assign(size_t(v.count) * p.subpixels() * v.pixels, 0.0f);
    v.inside.assign(size_t(v.count) * v.pixels, 0);
    const int per = side ? 1 : p.tile, stride = side ? side : inner;
    for (int patch = 0; patch < p.batch; patch++)
        for (int y = 0; y < inner; y++)
            for (int x = 0; x < inner; x++)
                v.inside[long(patch / per) * v.pixels + (patch % per) * inner * inner + y * stride + x] = -1;
    return v;
}

void unfold(Pack& p, const float* lr) {
    const int k = p.side(), pixels = p.views.at(0).pixels, inner = p.inner;
    for (int patch = 0; patch < p.batch; patch++)
        for (int tap = 0; tap < k * k; tap++) {
            float* to = p.unfolded.data() + (long(patch / p.tile) * k * k + tap) * pixels + patch % p.tile * inner * inner;
            for (int y = 0; y < inner; y++) {
                const int row = p.border + y + tap / k - p.radius, first = p.border + tap % k - p.radius;
                const float* line = lr + (long(patch) * p.patch + row) * p.patch;
                if (row >= 0 && row < p.patch && first >= 0 && first + inner <= p.patch) {
                    std::memcpy(to + y * inner, line + first, inner * 4);
                } else if (row >= 0 && row < p.patch) {
                    for (int x = 0; x < inner; x++)
                        if (first + x >= 0 && first + x < p.patch) to[y * inner + x] = line[first + x];
                }
            }
        }
}

// The last layer's columns of one group: product, head, bias gradient, weight gradient. Leaves the gradient of the
// products in `y` for the way back.
float finish(const Pack& p, const Member& m, const Group& g, const View& view, int where, const float* x,
             const std::vector<int>& offset, const float* packed, const float* weights, float* y, long stride,
             float* grad) {
    const int pixels = view.pixels, wide = m.maps * m.templates;
    float bias[MOST_BIASED];
    const bool biased = m.biased;
    for (int c = 0; biased && c < g.columns(); c++) bias[c] = weights[g.bias[c]];
    apply<false>(x, offset, packed, biased ? bias : nullptr, g.columns(), y, stride, pixels);
    const float unit = 1.0f / (float(p.batch) * p.inner * p.inner * p.subpixels());
    const int32_t* inside = view.inside.data() + long(where) * view.pixels;
    float total = 0;
    for (size_t i = 0; i < g.subpixels.size(); i++)
        total += head(m.head, p.loss, m.templates, y + long(i) * wide * stride, stride,
                      view.target.data() + (long(where) * p.subpixels() + g.subpixels[i]) * view.pixels, inside, unit,
                      pixels);
    for (int c = 0; biased && c < g.columns(); c++) {
        vf all = {};
        for (int q = 0; q < pixels; q += LANES) all += load(y + c * stride + q);
        grad[g.bias[c]] += sum(all);
    }
    weight_gradient(y, stride, g.product.column, x, offset, g.product.row, pixels, grad);
    return total;
}

double one_layer(const Pack& p, const Member& m, int chunk, const float* weights, float* grad, Scratch& s) {
    const View& view = p.views.at(0);
    const int inset = p.radius - m.low, k = p.side();
    std::vector<std::vector<int>> offsets;
    std::vector<const float*> packed;
    int most = 0;
    s.restart();
    for (const Group& g : m.groups) {
        std::vector<int> offset(g.dy.size());
        for (size_t t = 0; t < offset.size(); t++)
            offset[t] = ((g.dy[t] + inset) * k + g.dx[t] + inset) * view.pixels;
        offsets.push_back(offset);
        float* w = s.take(g.columns() * offset.size());
        if (weights) pack(weights, g.product.column, g.product.row, w);
        packed.push_back(w);
        most = g.columns() > most ? g.columns() : most;
    }
    float* y = s.take(size_t(most) * view.pixels + LANES);
    double total = 0;
    if (!weights) return 0;  // only counting memory
    for (int where = chunk; where < view.count; where += p.chunks) {
        const float* x = p.unfolded.data() + long(where) * k * k * view.pixels;
        for (size_t i = 0; i < m.groups.size(); i++)
            total += finish(p, m, m.groups[i], view, where, x, offsets[i], packed[i], weights, y, view.pixels, grad);
    }
    return total;
}

// A row of `n` values, written by vectors without touching what comes after them.
template <class Make>
inline void write_row(float* to, int n, const Make& make) {
    int x = 0;
    for (; x + LANES <= n; x += LANES) store(to + x, make(x));
    if (x < n) store(to + x, pick(lane_numbers() + x < splat_int(n), make(x), load(to + x)));
}

// Activation of `made` (rows of stride side_in) into the planes of the next layer's input.
void activate(const Hidden& h, const float* made, float slope, float* before, float* out) {
    const int n = h.product.side_out, stride = h.product.side_in;
    for (int c = 0; c < h.columns(); c++)
        for (int y = 0; y < n; y++) {
            const float* from = made + long(c) * h.product.plane_in + y * stride;
            const long at = long(c) * h.plane() + h.first() + y * h.side;
            if (h.activation == TANH) {
                write_row(out + at, n, [&](int x) { return hyperbolic_tangent(load(from + x)); });
                continue;
            }
            write_row(before + at, n, [&](int x) { return load(from + x); });
            write_row(out + at, n, [&](int x) {
                vf z = load(from + x);
                return pick(z > 0.0f, z, z * slope);
            });
        }
}

// Gradient before the activation, laid out with zeros around, from the gradient after it.
void deactivate(const Hidden& h, const float* after, const float* before, const float* d_after, float slope, float* d,
                float* grad) {
    const int n = h.product.side_out, stride = h.product.side_in;
    const vi lanes = lane_numbers();
    vf d_slope = {};
    for (int c = 0; c < h.columns(); c++) {
        vf all = {};
        float* to = d + long(c) * h.product.plane_d + h.product.front;
        for (int y = 0; y < n; y++) {
            const long at = long(c) * h.plane() + h.first() + y * h.side;
            write_row(to + y * stride, n, [&](int x) {
                vf g = load(d_after + at + x);
                if (x + LANES > n) g = keep(lanes + x < splat_int(n), g);
                if (h.activation == TANH) {
                    vf a = load(after + at + x);
                    g = g * (1.0f - a * a);
                } else {
                    vf z = load(before + at + x);
                    d_slope += pick(z > 0.0f, splat(0), g * z);
                    g = pick(z > 0.0f, g, g * slope);
                }
                all += g;
                return g;
            });
        }
        if (h.bias >= 0) grad[h.bias + c] += sum(all);
    }
    if (h.slope >= 0) grad[h.slope] += sum(d_slope);
}

double deep(const Pack& p, const Member& m, int chunk, const float* weights, float* grad, Scratch& s, const float* lr) {
    const View& view = p.views.at(view_of(m));
    const int layers = int(m.hidden.size());
    struct Work {
        float *packed, *back, *before, *after, *d;
    };
    std::vector<Work> work(layers), last(m.groups.size());
    s.restart();
    size_t most_made = 0, most_d = 0, most_plane = 0;
    auto larger = [](size_t& a, size_t b) { a = b > a ? b : a; };
    for (int l = 0; l < layers; l++) {
        const Hidden& h = m.hidden[l];
        const size_t planes = size_t(h.columns()) * h.plane() + 2 * LANES;
        work[l].packed = s.take(h.product.row.size() * h.columns());
        work[l].back = l ? s.take(h.product.row.size() * h.columns()) : nullptr;
        work[l].before = h.activation == PRELU ? s.take(planes) : nullptr;
        work[l].after = s.take(planes);
        const size_t d = size_t(h.columns()) * h.product.plane_d + LANES;
        work[l].d = s.take(d);
        if (weights) {
            std::memset(work[l].d, 0, d * 4);
            std::memset(work[l].after, 0, planes * 4);
            pack(weights, h.product.column, h.product.row, work[l].packed);
            if (l) pack(weights, h.product.channel, h.product.back_row, work[l].back);
        }
        larger(most_made, size_t(h.columns()) * h.product.plane_in + 2 * LANES);
        larger(most_plane, planes);
    }
    for (size_t i = 0; i < m.groups.size(); i++) {
        const Group& g = m.groups[i];
        last[i].packed = s.take(g.product.row.size() * g.columns());
        last[i].back = s.take(g.product.row.size() * g.columns());
        if (weights) {
            pack(weights, g.product.column, g.product.row, last[i].packed);
            pack(weights, g.product.channel, g.product.back_row, last[i].back);
        }
        larger(most_d, size_t(g.columns()) * g.product.plane_d + LANES);
    }
    const int side = m.hidden[0].product.side_in, from = m.origin;
    const size_t input_size = size_t(m.hidden[0].product.plane_in) + 2 * LANES;
    float *input = s.take(input_size), *made = s.take(most_made), *y = s.take(most_d);
    float *d_here = s.take(most_plane), *d_before = s.take(most_plane);
    if (!weights) return 0;  // only counting memory
    std::memset(input, 0, input_size * 4);
    std::memset(y, 0, most_d * 4);
    double total = 0;
    for (int patch = chunk; patch < p.batch; patch += p.chunks) {
        for (int row = 0; row < side; row++) {
            const int at = from + row, x0 = from < 0 ? -from : 0, x1 = from + side > p.patch ? p.patch - from : side;
            if (at >= 0 && at < p.patch)
                std::memcpy(input + row * side + x0, lr + (long(patch) * p.patch + at) * p.patch + from + x0, (x1 - x0) * 4);
        }
        const float* x = input;
        for (int l = 0; l < layers; l++) {
            const Hidden& h = m.hidden[l];
            apply<false>(x, h.product.offset, work[l].packed, h.bias >= 0 ? weights + h.bias : nullptr, h.columns(),
                         made, h.product.plane_in, h.product.pixels);
            activate(h, made, h.slope >= 0 ? weights[h.slope] : 0, work[l].before, work[l].after);
            x = work[l].after;
        }
        for (size_t i = 0; i < m.groups.size(); i++) {
            const Product& q = m.groups[i].product;
            total += finish(p, m, m.groups[i], view, patch, x, q.offset, last[i].packed, weights, y + q.front, q.plane_d, grad);
            const Hidden& h = m.hidden[layers - 1];
            if (i == 0)
                apply<false>(y + q.front + h.first(), q.back_offset, last[i].back, nullptr, q.channels,
                             d_here + h.first(), q.plane_in, h.pixels());
            else
                apply<true>(y + q.front + h.first(), q.back_offset, last[i].back, nullptr, q.channels,
                            d_here + h.first(), q.plane_in, h.pixels());
        }
        for (int l = layers - 1; l >= 0; l--) {
            const Hidden& h = m.hidden[l];
            const Product& q = h.product;
            deactivate(h, work[l].after, work[l].before, d_here, h.slope >= 0 ? weights[h.slope] : 0, work[l].d, grad);
            weight_gradient(work[l].d + q.front, q.plane_d, q.column, l ? work[l - 1].after : input, q.offset, q.row,
                            q.pixels, grad);
            if (l) {
                const Hidden& below = m.hidden[l - 1];
                apply<false>(work[l].d + q.front + below.first(), q.back_offset, work[l].back, nullptr, q.channels,
                             d_before + below.first(), q.plane_in, below.pixels());
                std::swap(d_here, d_before);
            }
        }
    }
    return total;
}

double run(const Pack& p, const Member& m, int chunk, const float* weights, float* grad, Scratch& s, const float* lr) {
    return m.hidden.empty() ? one_layer(p, m, chunk, weights, grad, s) : deep(p, m, chunk, weights, grad, s, lr);
}

// Rows of filter taps into cosine coefficients (DCT-II, orthonormal), or back; as workers/training/optimiser.py.
void turn(const Pack& p, const Member& m, float* vector, bool back) {
    float row[MOST_TAPS];
    for (const Turned& t : m.turned) {
        const int n = t.side * t.side;
        const float* basis = p.bases.at(t.side).data();  // [tap][coefficient]
        for (int r = 0; r < t.rows; r++) {
            float* at = vector + t.start + long(r) * n;
            std::memcpy(row, at, n * 4);
            if (back) {
                for (int i = 0; i < n; i++) {
                    float sum = 0;
                    for (int j = 0; j < n; j++) sum += row[j] * basis[i * n + j];
                    at[i] = sum;
                }
            } else {
                std::memset(at, 0, n * 4);
                for (int i = 0; i < n; i++)
                    for (int j = 0; j < n; j++) at[j] += row[i] * basis[i * n + j];
            }
        }
    }
}

std::vector<float> cosine_basis(int side) {
    const double pi = std::acos(-1.0);
    std::vector<double> line(side * side);
    for (int tap = 0; tap < side; tap++)
        for (int k = 0; k < side; k++)
            line[tap * side + k] = std::cos(pi * (tap + 0.5) * k / side) * std::sqrt((k ? 2.0 : 1.0) / side);
    const int n = side * side;
    std::vector<float> out(size_t(n) * n);
    for (int tap = 0; tap < n; tap++)
        for (int k = 0; k < n; k++)
            out[size_t(tap) * n + k] = float(line[tap / side * side + k / side] * line[tap % side * side + k % side]);
    return out;
}

void adam(const Pack& p, const Member& m, const Inputs& in, float* g, float rate) {
    float *w = in.weights + m.start, *first = in.first + m.start, *second = in.second + m.start;
    const float* multiplier = p.multiplier.data() + m.start;
    turn(p, m, g, false);
    for (int i = 0; i < m.parameters; i++) {
        first[i] += (1.0f - in.beta1) * (g[i] - first[i]);
        second[i] = second[i] * in.beta2 + (1.0f - in.beta2) * g[i] * g[i];
        g[i] = multiplier[i] * first[i] / (std::sqrt(second[i]) / in.root_correction + in.eps);
    }
    turn(p, m, g, true);
    for (int i = 0; i < m.parameters; i++) w[i] -= rate * g[i];
}

void orthogonal_steps(Member& m, const Inputs& in, const float* g, float rate) {
    float *w = in.weights + m.start, *first = in.first + m.start;
    for (const Layer& l : m.layers) {
        const int n = l.inputs();
        auto each = [&](auto act) {  // (place in the vector, place in the matrix)
            for (int r = 0; r < l.rows; r++) {
                for (int i = 0; i < l.width; i++) act(l.start + r * l.width + i, r * n + i);
                if (l.bias >= 0) act(l.bias + r, r * n + l.width);
            }
        };
        float* matrix = m.room.data();
        each([&](int i, int at) {
            first[i] += l.fresh * (g[i] - first[i]);
            matrix[at] = first[i] + l.fresh * (g[i] - first[i]);
        });
        orthogonal(l, matrix);
        each([&](int i, int at) { w[i] -= rate * matrix[at]; });
    }
}

void update(const Pack& p, Member& m, const Inputs& in, std::vector<float>& gradient, float rate) {
    float* g = gradient.data();
    for (int c = 1; c < p.chunks; c++)
        for (int i = 0; i < m.parameters; i++) g[i] += gradient[size_t(c) * m.parameters + i];
    if (m.layers.empty())
        adam(p, m, in, g, rate);
    else
        orthogonal_steps(m, in, g, rate);
}

void work(Pack& p, const Inputs& in, Scratch& scratch, std::atomic<int>& next, std::vector<std::atomic<int>>& left) {
    const int units = int(p.members.size()) * p.chunks;
    for (int unit; (unit = next.fetch_add(1)) < units;) {
        const int i = unit / p.chunks, chunk = unit % p.chunks;
        Member& m = p.members[i];
        if (in.rate[i] <= 0) continue;
        float* grad = p.gradients[i].data() + size_t(chunk) * m.parameters;
        std::memset(grad, 0, size_t(m.parameters) * 4);
        p.losses[unit] = run(p, m, chunk, in.weights + m.start, grad, scratch, in.lr);
        // What a diverged member leaves between the planes would be multiplied by the next one's zeros: 0 * NaN.
        if (!(p.losses[unit] < HUGE_LOSS)) scratch.clear();
        if (left[i].fetch_sub(1) == 1) {  // the last chunk done: the member's gradients are still in the cache
            double total = 0;
            for (int c = 0; c < p.chunks; c++) total += p.losses[i * p.chunks + c];
            in.losses[i] = total / (double(p.batch) * p.inner * p.inner * p.subpixels());
            update(p, m, in, p.gradients[i], in.rate[i]);
        }
    }
}

}  // namespace

extern "C" {

// Builds a pack from layout.py's program; null without the memory for it.
void* pack_new(const int64_t* program, int threads) try {
    auto p = std::make_unique<Pack>();
    Reader in{program};
    p->patch = in.next(), p->border = in.next(), p->batch = in.next(), p->scale = in.next(), p->loss = in.next();
    p->chunks = in.next(), p->inner = p->patch - 2 * p->border;
    const int members = in.next();
    const int aim = in.next();
    while (p->tile < p->batch && (p->tile + 1) * p->inner * p->inner <= aim) p->tile++;
    bool flat = false;
    for (int i = 0; i < members; i++) {
        Member m = read_member(in, p->patch, p->border);
        if (m.hidden.empty()) flat = true, p->radius = m.low > p->radius ? m.low : p->radius;
        p->gradients.emplace_back(size_t(m.parameters) * p->chunks);
        p->members.push_back(std::move(m));
    }
    for (const Member& m : p->members) {
        const int key = view_of(m);
        if (!p->views.count(key)) p->views.emplace(key, make_view(*p, key));
    }
    if (flat) p->unfolded.assign(size_t(p->views.at(0).count) * p->side() * p->side() * p->views.at(0).pixels, 0.0f);
    p->losses.assign(p->members.size() * p->chunks, 0.0);
    size_t most = 0;
    Scratch counter;
    for (const Member& m : p->members) {
        run(*p, m, 0, nullptr, nullptr, counter, nullptr);
        most = counter.taken() > most ? counter.taken() : most;
    }
    p->scratch = std::vector<Scratch>(threads);
    for (Scratch& s : p->scratch) s.reserve(most + 64);
    return p.release();
} catch (const std::bad_alloc&) {
    return nullptr;
}

// How steps differ from Adam's: what each parameter's is multiplied by, and (member, start, rows, side) of the filters
// that are trained by their cosine coefficients.
void pack_rule(void* handle, const float* multiplier, const int64_t* turned, int count) {
    Pack& p = *static_cast<Pack*>(handle);
    for (const Member& m : p.members)
        p.multiplier.insert(p.multiplier.end(), multiplier + m.start, multiplier + m.start + m.parameters);
    for (int i = 0; i < count; i++, turned += 4) {
        const int side = int(turned[3]);
        p.members[turned[0]].turned.push_back({int(turned[1]), int(turned[2]), side});
        if (!p.bases.count(side)) p.bases.emplace(side, cosine_basis(side));
    }
}

// (member, start, rows, width, bias) and (gain, momentum) of the layers that take orthogonal steps. Returns 0, or 1
// without the memory for it.
int pack_layers(void* handle, const int64_t* layers, const float* factors, int count) try {
    Pack& p = *static_cast<Pack*>(handle);
    for (int i = 0; i < count; i++, layers += 5, factors += 2) {
        Member& m = p.members[layers[0]];
        Layer l{int(layers[1]), int(layers[2]), int(layers[3]), int(layers[4]), factors[0], 1.0f - factors[1], {}};
        l.inverse.assign(size_t(l.inputs()) * l.inputs() + LANES, 0.0f);
        if (m.room.size() < orthogonal_room(l)) m.room.assign(orthogonal_room(l), 0.0f);
        m.layers.push_back(std::move(l));
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// The inverses of all layers of one member, one after another.
void pack_whiten(void* handle, int member, const float* inverses) {
    for (Layer& l : static_cast<Pack*>(handle)->members[member].layers) {
        const size_t size = size_t(l.inputs()) * l.inputs();
        std::memcpy(l.inverse.data(), inverses, size * 4);
        inverses += size;
    }
}

void pack_free(void* handle) { delete static_cast<Pack*>(handle); }

// See judge_image. Returns 0, or 1 without the memory for it.
int image_quality(const float* got, const float* want, int height, int width, int64_t got_stride, int64_t want_stride,
                  const double* taps, double* error, double* ssim) try {
    judge_image(got, want, height, width, got_stride, want_stride, taps, error, ssim);
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// Trains every member whose rate is above 0 by one step. `rate` is the learning rate, for Adam over its first correction.
// Returns 0, or 1 without the memory for it.
int pack_step(void* handle, const float* lr, const float* hr, float* weights, float* first, float* second,
              const float* rate, double* losses, float beta1, float beta2, float eps, float root_correction) try {
    Pack& p = *static_cast<Pack*>(handle);
    const Inputs in{lr, hr, weights, first, second, rate, losses, beta1, beta2, eps, root_correction};
    if (!p.unfolded.empty()) unfold(p, lr);
    for (auto& [side, view] : p.views) fill_view(p, view, hr);
    std::atomic<int> next{0};
    std::vector<std::atomic<int>> left(p.members.size());
    for (auto& n : left) n = p.chunks;
    std::vector<std::thread> helpers;
    for (size_t t = 1; t < p.scratch.size(); t++) try {
            helpers.emplace_back([&, t] { work(p, in, p.scratch[t], next, left); });
        } catch (const std::system_error&) {
            break;  // no more threads to be had: those there are do all the work
        }
    work(p, in, p.scratch[0], next, left);
    for (std::thread& t : helpers) t.join();
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}
