// What a pack is made of: members as layers, and where each of their weights and inputs lies.
#pragma once
#include "products.hpp"
#include <cstdlib>
#include <new>

constexpr int MOST_BIASED = 64;  // columns of a last layer with bias

enum Activation { NONE = 0, TANH = 1, PRELU = 2 };

struct Reader {  // the program that layout.py writes
    const int64_t* at;
    int next() { return int(*at++); }
    std::vector<int> list(int n) {
        std::vector<int> out(n);
        for (int& x : out) x = next();
        return out;
    }
};

// A product of planes with taps, its transpose, and the geometry of its planes. Rows of an input plane have the
// stride of its own side, and outputs are first made with that same stride, so a tap is a constant offset.
struct Product {
    int channels, side_in, side_out, plane_in, front, plane_d, pixels;
    std::vector<int> column, offset, row;              // forward: rows are (channel, tap)
    std::vector<int> channel, back_offset, back_row;   // backward: rows are (column, tap)

    // `channel_step`: between the weights of two input channels. Gradient planes have zeros around.
    void lay_out(const std::vector<int>& columns, int channels_, int channel_step, const std::vector<int>& dy,
                 const std::vector<int>& dx, const std::vector<int>& term, int side_in_, int side_out_) {
        channels = channels_, side_in = side_in_, side_out = side_out_, column = columns;
        const int taps = int(dy.size()), reach = (side_in - side_out) * (side_in + 1);
        plane_in = round_up(side_in * side_in, LANES);
        front = round_up(reach, LANES);
        plane_d = front + plane_in + 2 * LANES;
        pixels = round_up((side_out - 1) * side_in + side_out, LANES);
        for (int i = 0; i < channels; i++) {
            channel.push_back(i * channel_step);
            for (int t = 0; t < taps; t++) {
                offset.push_back(i * plane_in + dy[t] * side_in + dx[t]);
                row.push_back(i * channel_step + term[t]);
            }
        }
        for (size_t c = 0; c < columns.size(); c++)
            for (int t = 0; t < taps; t++) {
                back_offset.push_back(int(c) * plane_d - dy[t] * side_in - dx[t]);
                back_row.push_back(columns[c] + term[t]);
            }
    }
};

// A hidden layer's outputs are made where the loss sees them, inside the patch, and lie `pad` pixels from the top and the
// left of planes of the next layer's input, which are zero around them.
struct Hidden {
    Product product;
    int activation, weights, bias, slope, side, pad;
    int columns() const { return int(product.column.size()); }
    int plane() const { return round_up(side * side, LANES); }
    int first() const { return pad * (side + 1); }
    int pixels() const { return round_up((product.side_out - 1) * side + product.side_out, LANES); }
};

struct Group {  // columns of the last layer that belong to some sub-pixels and share their taps
    Product product;
    std::vector<int> bias, subpixels, dy, dx, term;
    int columns() const { return int(product.column.size()); }
};

struct Turned {  // filters trained by their cosine coefficients
    int start, rows, side;
};

// A layer that takes orthogonal steps on white inputs, as workers/training/whitening.py.
struct Layer {
    int start, rows, width, bias;  // `bias` below 0: none
    float gain, fresh;  // `fresh`: what a gradient counts in the momentum
    std::vector<float> inverse;    // [inputs][inputs], of the second moments of its inputs; a vector more
    int inputs() const { return width + (bias >= 0); }
};

struct Member {
    long start;
    int parameters, head, templates, maps, low, origin;  // `origin`: where in the patch the input begins
    bool biased;
    std::vector<Hidden> hidden;
    std::vector<Group> groups;
    std::vector<Turned> turned;
    std::vector<Layer> layers;
    std::vector<float> room;       // for the steps of `layers`
};

// Memory of one thread: zeroed when got, given out in pieces that begin at a cache line.
class Scratch {
  public:
    ~Scratch() { std::free(memory); }
    void reserve(size_t floats) {
        if (floats <= size) return;
        std::free(memory);
        size = floats;
        memory = static_cast<float*>(std::aligned_alloc(64, (floats * 4 + 63) / 64 * 64));
        if (!memory) {
            size = 0;
            throw std::bad_alloc();
        }
        std::memset(memory, 0, floats * 4);
    }
    void restart() { used = 0; }
    void clear() { std::memset(memory, 0, size * 4); }
    float* take(size_t floats) {
        float* out = memory ? memory + used : nullptr;
        used += (floats + 15) / 16 * 16 + 16;
        return out;
    }
    size_t taken() const { return used; }

  private:
    float* memory = nullptr;
    size_t size = 0, used = 0;
};

static Member read_member(Reader& in, int patch, int border) {
    Member m;
    m.start = long(*in.at++);
    m.parameters = in.next(), m.head = in.next(), m.templates = in.next(), m.maps = in.next();
    struct Raw {
        int channels, columns, kernel, activation, weights, bias, slope;
    };
    std::vector<Raw> raws(in.next());
    for (Raw& r : raws) r = {in.next(), in.next(), in.next(), in.next(), in.next(), in.next(), in.next()};
    const int channels = in.next(), step = in.next(), low = in.next(), high = in.next();
    m.low = low;
    // From the last layer back: where in the patch its input planes begin and end (outside it they are zero).
    int begin = border - low, end = patch - border + high;
    const int side = end - begin;
    for (size_t l = raws.size(); l-- > 0;) {
        const Raw& r = raws[l];
        Hidden h;
        h.activation = r.activation, h.weights = r.weights, h.bias = r.bias, h.slope = r.slope;
        std::vector<int> columns(r.columns), dy, dx, term;
        const int area = r.kernel * r.kernel;
        for (int c = 0; c < r.columns; c++) columns[c] = r.weights + c * r.channels * area;
        for (int t = 0; t < area; t++) dy.push_back(t / r.kernel), dx.push_back(t % r.kernel), term.push_back(t);
        const int from = begin > 0 ? begin : 0, to = end < patch ? end : patch;
        h.side = end - begin, h.pad = from - begin;
        begin = from - r.kernel / 2, end = to + r.kernel / 2;
        h.product.lay_out(columns, r.channels, area, dy, dx, term, end - begin, to - from);
        m.hidden.insert(m.hidden.begin(), h);
    }
    m.origin = begin;
    const int inner = patch - 2 * border;
    m.groups.resize(in.next());
    for (Group& g : m.groups) {
        const int columns = in.next(), positions = in.next(), taps = in.next();
        std::vector<int> column = in.list(columns);
        g.bias = in.list(columns), g.subpixels = in.list(positions);
        g.dy = in.list(taps), g.dx = in.list(taps), g.term = in.list(taps);
        g.product.lay_out(column, channels, step, g.dy, g.dx, g.term, side, inner);
    }
    m.biased = m.groups[0].bias[0] >= 0;
    return m;
}
