/* The gradient of the sVAE's loss (Eq. 1-5) over a batch, written out for the CPU; compiled.py compiles and calls it.

   A batch is cut into BLOCKS parts. A thread takes a part through a stretch of layers, up to where batch
   normalisation needs the statistics of all parts. Sums are taken part after part, whichever thread made them, so
   the result does not depend on the number of threads.

   A matrix has a row a star, and each row is padded with zeros to a multiple of PAD. Decoder and scatter estimator
   lie side by side, as two copies of one layer.

   Products take their factors as floats or, in half the time, as pairs of bfloat16s, whose sums are floats all the
   same. Two numbers that follow each other along the depth of a product share the place of a float; what is a
   factor in two products, along the rows and down the columns, is kept in both orders. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

enum { BLOCKS = 8, PAD = 16, AHEAD = 6 };

/* Floats in a register, and rows of a product whose sums fit into the registers beside 1 to 4 vectors a row. */
#if defined(__AVX512F__)
enum { LANES = 16, ROWS1 = 12, ROWS2 = 12, ROWS3 = 8, ROWS4 = 6 };
#elif defined(__AVX2__)
enum { LANES = 8, ROWS1 = 8, ROWS2 = 6, ROWS3 = 4, ROWS4 = 3 };
#else
enum { LANES = 4, ROWS1 = 12, ROWS2 = 12, ROWS3 = 8, ROWS4 = 6 };
#endif

#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 12")
#endif

#ifdef __FP_FAST_FMAF
#define FMA(a, b, c) __builtin_fmaf(a, b, c) /* one rounding; where the processor has none, a library would be slow */
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef float stored __attribute__((vector_size(4 * LANES), may_alias));
typedef float loose __attribute__((vector_size(4 * LANES), may_alias, aligned(4)));

#define V(pointer) (*(stored *)(pointer))
#define EACH_VECTOR(j, width) for (long j = 0; j < (width); j += LANES)

/* What Python says of a layer; compiled.py has the same structure. Numbers after `apart` are places among the
   parameters and among the statistics of all normalisations; scale and statistics are -1 where there is none. */
struct spec {
    int64_t copies, in, out;
    int64_t apart; /* whether each copy reads its own part of the input, or all read the same */
    int64_t weight, scale, shift, statistics;
};

/* What Python says of a step of AdamW. */
struct adamw {
    int64_t n;                    /* parameters */
    float decay;                  /* 1 - learning rate * weight decay */
    float new_mean;               /* 1 - beta1 */
    float old_square, new_square; /* beta2, 1 - beta2 */
    float step;                   /* -learning rate / (1 - beta1^steps) */
    float correction;             /* sqrt(1 - beta2^steps) */
    float epsilon;
};

/* And of the running statistics of all normalisations, which follow those of the batches. */
struct running {
    float *mean, *variance;
    const float *shift; /* biases before the normalisations: in the running mean, not in the products made here */
    float momentum, epsilon;
};

/* A matrix as a factor: its values, and what the products take; with floats all three are one. */
struct factor {
    float *values; /* (stars x width) */
    float *stars;  /* a row a star (stars x width / packed) */
    float *pairs;  /* a row for as many stars as share a place (struct part says where those of a part start) */
};

struct layer {
    struct spec is;
    long packed; /* numbers in the place of a float: 1, or 2 bfloat16s */
    long in_width, width; /* of a row of the input and of the output, padded */
    float *forward;       /* weights (in / packed x width) */
    float *backward;      /* weights (width / packed x padded in) */
    float *scale, *shift; /* gamma and beta, or the bias (width) */
    float *output;        /* (stars x width) */
    struct factor active; /* after the activation */
    struct factor slope;  /* of the activation; on the way back, the gradient of the output */
    float *mean, *rstd;   /* of the output, and 1 / deviation (width) */
    float *sums[2];       /* over the stars of each part (BLOCKS x width) */
    float *total[2];      /* over all stars (width) */
    float *gradient;      /* of the weights, from each part (BLOCKS x copies * out x padded in) */
};

/* Arithmetic on vectors. NaN stays NaN, so that a failed training is noticed. */

static inline vec choose(ivec where, vec yes, vec no) { return (vec)((where & (ivec)yes) | (~where & (ivec)no)); }

/* For x between -87 and 88. */
static inline vec exponential(vec x)
{
    const vec whole = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* adding 1.5 * 2^23 rounds */
    const vec r = (x - whole * 0.693145752f) - whole * 1.42860677e-6f;
    vec sum = r * (1 / 5040.0f) + 1 / 720.0f;
    sum = sum * r + 1 / 120.0f;
    sum = sum * r + 1 / 24.0f;
    sum = sum * r + 1 / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1;
    sum = sum * r + 1;
    return sum * (vec)((__builtin_convertvector(whole, ivec) + 127) << 23);
}

static inline vec between(float low, vec x, float high)
{
    x = choose(x < low, (vec){} + low, x);
    return choose(x > high, (vec){} + high, x);
}

static inline vec logarithm(vec x)
{
    const ivec exponent = ((ivec)x - 0x3f3504f3) >> 23; /* leaves a mantissa between sqrt(1/2) and sqrt(2) */
    const vec mantissa = (vec)((ivec)x - (exponent << 23));
    const vec s = (mantissa - 1) / (mantissa + 1), s2 = s * s; /* ln m = 2 artanh s */
    vec sum = s2 * (1 / 9.0f) + 1 / 7.0f;
    sum = sum * s2 + 1 / 5.0f;
    sum = sum * s2 + 1 / 3.0f;
    const vec result = 2 * (s + s * s2 * sum) + __builtin_convertvector(exponent, vec) * 0.693147181f;
    return choose(x < INFINITY, result, x);
}

/* x Phi(x) and its derivative. Phi(-|x|) is exp(-x^2 / 2) times a polynomial in 1 / (1 + 0.3 |x|), fitted to
   erfcx(|x| / sqrt(2)) / 2 with a relative error below 1.5e-7. */
static inline vec gelu(vec x, vec *slope)
{
    const ivec sign = (ivec)x & INT32_MIN;
    vec size = (vec)((ivec)x ^ sign);
    size = choose(size > 13, (vec){} + 13, size);
    const vec e = exponential(-0.5f * size * size), k = 1 / (1 + 0.3f * size);
    vec tail = k * 0.03567459412f - 0.1572023315f;
    tail = tail * k + 0.2063522107f;
    tail = tail * k - 0.05368245112f;
    tail = tail * k + 0.1285609954f;
    tail = tail * k + 0.09991368329f;
    tail = tail * k + 0.1207539254f;
    tail = tail * k + 0.1196293008f;
    const vec phi = 0.5f + (vec)((ivec)(0.5f - tail * k * e) ^ sign);
    *slope = phi + x * e * 0.3989422804f;
    return x * phi;
}

static inline float added(vec x)
{
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += x[lane];
    return sum;
}

/* sum + a b, where a is the same in all lanes. */
static inline vec fused(vec sum, const float *a, vec b) { return sum + *a * b; }

#ifdef __AVX512BF16__
typedef int32_t bits __attribute__((may_alias));
enum { PACKED = 2 };

static inline vec fused_pairs(vec sum, const float *a, vec b)
{
    const ivec both = (ivec){} + *(const bits *)a;
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)both, (__m512bh)b);
}
#else
enum { PACKED = 1 };
#endif

/* c (m x n) = a (m x depth) b (depth x n); a is read in steps of a_row and a_step, n is a multiple of PAD. */

#define TILE(ROWS, VECTORS, FUSED, a, c)                                                                         \
    {                                                                                                            \
        vec sum[ROWS][VECTORS], right[VECTORS];                                                                  \
        UNROLLED for (int r = 0; r < ROWS; r++)                                                                  \
            UNROLLED for (int j = 0; j < VECTORS; j++) sum[r][j] = (vec){};                                      \
        for (long k = 0; k < depth; k++) {                                                                       \
            UNROLLED for (int j = 0; j < VECTORS; j++) right[j] = V(b + k * b_row + j * LANES);                  \
            UNROLLED for (int r = 0; r < ROWS; r++)                                                              \
                UNROLLED for (int j = 0; j < VECTORS; j++)                                                       \
                    sum[r][j] = FUSED(sum[r][j], (a) + r * a_row + k * a_step, right[j]);                        \
        }                                                                                                        \
        UNROLLED for (int r = 0; r < ROWS; r++)                                                                  \
            UNROLLED for (int j = 0; j < VECTORS; j++) V((c) + r * c_row + j * LANES) = sum[r][j];               \
    }
#define STRIP(ROWS, VECTORS, FUSED)                                                                              \
    static void FUSED##VECTORS(long m, long depth, const float *a, long a_row, long a_step, const float *b,      \
        long b_row, float *c, long c_row)                                                                        \
    {                                                                                                            \
        long i = 0;                                                                                              \
        for (; i + ROWS <= m; i += ROWS) TILE(ROWS, VECTORS, FUSED, a + i * a_row, c + i * c_row)                \
        for (; i + 2 <= m; i += 2) TILE(2, VECTORS, FUSED, a + i * a_row, c + i * c_row)                         \
        for (; i < m; i++) TILE(1, VECTORS, FUSED, a + i * a_row, c + i * c_row)                                 \
    }
#define STRIPS(FUSED)                                                                                            \
    STRIP(ROWS1, 1, FUSED) STRIP(ROWS2, 2, FUSED) STRIP(ROWS3, 3, FUSED) STRIP(ROWS4, 4, FUSED)
STRIPS(fused)
#ifdef __AVX512BF16__
STRIPS(fused_pairs)
#endif

static void multiply(long packed, long m, long n, long depth, const float *a, long a_row, long a_step, const float *b,
    long b_row, float *c, long c_row)
{
    static void (*const strips[][4])(long, long, const float *, long, long, const float *, long, float *, long) = {
        { fused1, fused2, fused3, fused4 },
#ifdef __AVX512BF16__
        { fused_pairs1, fused_pairs2, fused_pairs3, fused_pairs4 },
#endif
    };
    for (long left = n / LANES, wide; left; left -= wide, b += wide * LANES, c += wide * LANES) {
        wide = left >= 7 || left == 4 ? 4 : left >= 3 ? 3 : left; /* 5 = 3 + 2, 6 = 3 + 3, 7 = 4 + 3 */
        strips[packed - 1][wide - 1](m, depth, a, a_row, a_step, b, b_row, c, c_row);
    }
}

static long places(long numbers, long packed) { return (numbers + packed - 1) / packed; }

/* What is done with the stars of one part, from `first` on to before `last`. */

struct part {
    long number, first, last;
    long pairs; /* where its rows start among those of a factor's pairs; with floats the same as `first` */
};

static struct part part_of(long number, long n_stars, long packed)
{
    const long first = number * n_stars / BLOCKS, last = (number + 1) * n_stars / BLOCKS;
    return (struct part){ number, first, last, packed == 1 ? first : places(first + number, packed) };
}

/* Two vectors of a factor, of stars i and next = i + 1; of the last of an odd number, next = i. */
static inline void put(const struct factor *f, long packed, long width, struct part p, long i, long next, long j, vec a,
    vec b)
{
#ifdef __AVX512BF16__
    if (packed == 2) {
        const __m256i low = (__m256i)_mm512_cvtneps_pbh((__m512)a), high = (__m256i)_mm512_cvtneps_pbh((__m512)b);
        _mm256_storeu_si256((__m256i *)(f->stars + (i * width + j) / 2), low);
        _mm256_storeu_si256((__m256i *)(f->stars + (next * width + j) / 2), next > i ? high : low);
        const __m512i odd = _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), next > i ? 16 : 32);
        V(f->pairs + (p.pairs + (i - p.first) / 2) * width + j) = (vec)(_mm512_cvtepu16_epi32(low) | odd);
        return;
    }
#endif
    (void)packed, (void)p;
    V(f->values + i * width + j) = a;
    V(f->values + next * width + j) = b;
}

#define EACH_PAIR(i, next, p) \
    for (long i = (p).first, next; i < (p).last && (next = i + 1 < (p).last ? i + 1 : i, 1); i += 2)

/* Make a factor of the values in it. */
static void pack(const struct factor *f, long packed, long width, struct part p)
{
    if (packed == 1) return;
    EACH_PAIR(i, next, p)
        EACH_VECTOR(j, width)
            put(f, packed, width, p, i, next, j, V(f->values + i * width + j), V(f->values + next * width + j));
}

/* A star's row of the data; asks for one that comes soon, since the stars of a batch lie far apart in memory. */
static const float *star(const float *data, const int64_t *rows, long i, struct part p, long width)
{
    if (i + AHEAD < p.last)
        for (long j = 0; j < width; j += 16) __builtin_prefetch(data + rows[i + AHEAD] * width + j);
    return data + rows[i] * width;
}

static long padded(long width) { return (width + PAD - 1) / PAD * PAD; }

static void product(const struct layer *l, struct part p, const struct factor *input, float *output)
{
    const long groups = l->is.apart ? l->is.copies : 1, wide = l->width / groups, packed = l->packed;
    for (long g = 0; g < groups; g++)
        multiply(packed, p.last - p.first, wide, places(l->is.in, packed),
            input->stars + (p.first * l->in_width + g * padded(l->is.in)) / packed, l->in_width / packed, 1,
            l->forward + g * wide, l->width, output + p.first * l->width + g * wide, l->width);
}

/* The gradient of the input, from that of the output. */
static void product_back(const struct layer *l, struct part p, float *input)
{
    const long groups = l->is.apart ? l->is.copies : 1, wide = l->width / groups, in = padded(l->is.in);
    const long packed = l->packed, depth = groups < l->is.copies ? wide : l->is.out; /* between copies are zeros */
    for (long g = 0; g < groups; g++)
        multiply(packed, p.last - p.first, in, places(depth, packed),
            l->slope.stars + (p.first * l->width + g * wide) / packed, l->width / packed, 1,
            l->backward + g * wide / packed * in, in, input + p.first * l->in_width + g * in, l->in_width);
}

/* The gradient of the weights; that of a bias is among the sums. */
static void product_weights(const struct layer *l, struct part p, const struct factor *input)
{
    const long in = padded(l->is.in), size = l->is.copies * l->is.out * in, packed = l->packed;
    for (long c = 0; c < l->is.copies; c++)
        multiply(packed, l->is.out, in, places(p.last - p.first, packed),
            l->slope.pairs + p.pairs * l->width + c * padded(l->is.out), 1, l->width,
            input->pairs + p.pairs * l->in_width + (l->is.apart ? c * in : 0), l->in_width,
            l->gradient + p.number * size + c * l->is.out * in, in);
}

/* Mean of the output in this part, and squares about it. */
static void moments(const struct layer *l, struct part p)
{
    EACH_VECTOR(j, l->width)
    {
        vec mean = {}, squares = {};
        for (long i = p.first; i < p.last; i++) mean += V(l->output + i * l->width + j);
        mean /= p.last > p.first ? p.last - p.first : 1.0f;
        for (long i = p.first; i < p.last; i++) {
            const vec off = V(l->output + i * l->width + j) - mean;
            squares += off * off;
        }
        V(l->sums[0] + p.number * l->width + j) = mean;
        V(l->sums[1] + p.number * l->width + j) = squares;
    }
}

static void follow(float *average, float now, float momentum)
{
    *average = FMA(momentum, now - *average, *average);
}

/* From the moments of the parts those of the batch. */
static void merge_moments(struct layer *l, long n_stars, const struct running *running)
{
    double share[BLOCKS];
    for (long b = 0; b < BLOCKS; b++) share[b] = part_of(b, n_stars, 1).last - part_of(b, n_stars, 1).first;
    for (long j = 0; j < l->width; j++) {
        double mean = 0, squares = 0;
        for (long b = 0; b < BLOCKS; b++) mean += share[b] / n_stars * l->sums[0][b * l->width + j];
        for (long b = 0; b < BLOCKS; b++) {
            const double off = l->sums[0][b * l->width + j] - mean;
            squares += l->sums[1][b * l->width + j] + share[b] * off * off;
        }
        l->mean[j] = (float)mean;
        l->rstd[j] = (float)(1 / sqrt(squares / n_stars + running->epsilon));
        const long copy = j / padded(l->is.out), unit = j % padded(l->is.out);
        if (unit < l->is.out) {
            const long at = l->is.statistics + copy * l->is.out + unit;
            follow(running->mean + at, (float)mean + running->shift[at], running->momentum);
            follow(running->variance + at, (float)(squares / (n_stars - 1)), running->momentum);
        }
    }
}

static void normalise_and_activate(const struct layer *l, struct part p)
{
    const long width = l->width;
    EACH_PAIR(i, next, p)
        EACH_VECTOR(j, width)
        {
            const vec mean = V(l->mean + j), rstd = V(l->rstd + j), scale = V(l->scale + j), shift = V(l->shift + j);
            const vec x = (V(l->output + i * width + j) - mean) * rstd;
            const vec x_next = (V(l->output + next * width + j) - mean) * rstd;
            const vec a = gelu(scale * x + shift, (vec *)(l->slope.values + i * width + j));
            const vec b = gelu(scale * x_next + shift, (vec *)(l->slope.values + next * width + j));
            put(&l->active, l->packed, width, p, i, next, j, a, b);
        }
}

/* Back through the activation; sums for the gradients of beta and gamma. */
static void deactivate(const struct layer *l, struct part p, const float *gradient)
{
    float *sum = l->sums[0] + p.number * l->width, *sum_x = l->sums[1] + p.number * l->width;
    EACH_VECTOR(j, l->width) V(sum + j) = V(sum_x + j) = (vec){};
    for (long i = p.first * l->width; i < p.last * l->width; i += l->width)
        EACH_VECTOR(j, l->width)
        {
            const vec d = V(l->slope.values + i + j) * V(gradient + i + j);
            V(l->slope.values + i + j) = d;
            V(sum + j) += d;
            V(sum_x + j) += d * (V(l->output + i + j) - V(l->mean + j)) * V(l->rstd + j);
        }
}

static void merge_sums(struct layer *l, int kinds)
{
    for (int kind = 0; kind < kinds; kind++)
        EACH_VECTOR(j, l->width)
        {
            vec sum = {};
            for (long b = 0; b < BLOCKS; b++) sum += V(l->sums[kind] + b * l->width + j);
            V(l->total[kind] + j) = sum;
        }
}

/* Back through the normalisation, to the gradient of the product. */
static void denormalise(const struct layer *l, struct part p, long n_stars)
{
    const float share = 1.0f / n_stars;
    EACH_PAIR(i, next, p)
        EACH_VECTOR(j, l->width)
        {
            vec d[2];
            for (int k = 0; k < 2; k++) {
                const long at = (k ? next : i) * l->width + j;
                const vec x = (V(l->output + at) - V(l->mean + j)) * V(l->rstd + j);
                d[k] = V(l->slope.values + at) - share * (V(l->total[0] + j) + x * V(l->total[1] + j));
                d[k] = V(l->scale + j) * V(l->rstd + j) * d[k];
            }
            put(&l->slope, l->packed, l->width, p, i, next, j, d[0], d[1]);
        }
}

static void sum_columns(const struct layer *l, struct part p)
{
    EACH_VECTOR(j, l->width)
    {
        vec sum = {};
        for (long i = p.first; i < p.last; i++) sum += V(l->slope.values + i * l->width + j);
        V(l->sums[0] + p.number * l->width + j) = sum;
    }
}

/* Posterior (mean, then log variance), draw and divergence; the deviation is kept in `active` beside the draw. */
static void draw(const struct layer *heads, struct part p, const float *noise, float *z)
{
    const long latents = heads->is.out, wide = padded(latents);
    EACH_VECTOR(j, wide) V(heads->sums[0] + p.number * heads->width + j) = (vec){};
    for (long i = p.first; i < p.last; i++) {
        float *row = heads->output + i * heads->width, *sigma = heads->active.values + i * heads->width;
        float *eps = sigma + wide;
        for (long k = 0; k < latents; k++) eps[k] = noise[i * latents + k];
        EACH_VECTOR(j, wide)
        {
            const vec mean = V(row + j) + V(heads->shift + j);
            const vec log_var = V(row + wide + j) + V(heads->shift + wide + j);
            const vec s = exponential(between(-87, 0.5f * log_var, 88));
            V(row + j) = mean;
            V(sigma + j) = s;
            V(z + i * wide + j) = mean + s * V(eps + j);
            V(heads->sums[0] + p.number * heads->width + j) += 0.5f * (mean * mean + s * s - 1 - log_var);
        }
    }
}

/* The gradient of mean and log variance, in `slope`, from that of the draw, in `z`. */
static void draw_back(const struct layer *heads, struct part p, const float *dz, const float *pull)
{
    const long wide = padded(heads->is.out);
    for (long i = p.first; i < p.last; i++) {
        const float *mean = heads->output + i * heads->width, *sigma = heads->active.values + i * heads->width;
        float *row = heads->slope.values + i * heads->width;
        EACH_VECTOR(j, wide)
        {
            const vec d = V(dz + i * wide + j), s = V(sigma + j);
            V(row + j) = d + V(mean + j) * V(pull + j);
            V(row + wide + j) = 0.5f * (d * V(sigma + wide + j) * s + (s * s - 1) * V(pull + j));
        }
    }
}

/* Negative log likelihood (Eq. 2-4), returned, and its gradient in place of the output, which lies in `slope`. */
static double reconstruct(const struct layer *last, struct part p, const float *x, const float *variance,
    const int64_t *rows, long n_stars)
{
    const long wide = padded(last->is.out), odd = last->is.out % LANES, whole = last->is.out - odd;
    const float share = 1.0f / n_stars;
    float edge[LANES] __attribute__((aligned(sizeof(vec)))); /* the last vector of variances; beyond them, ones */
    ivec within;
    for (int lane = 0; lane < LANES; lane++) edge[lane] = 1, within[lane] = lane < odd ? -1 : 0;
    double sum = 0;
    for (long i = p.first; i < p.last; i++) {
        const float *own = star(variance, rows, i, p, last->is.out);
        float *x_hat = last->slope.values + i * last->width, *scatter = x_hat + wide;
        memcpy(edge, own + whole, odd * sizeof(float));
        vec row = {};
        EACH_VECTOR(j, last->is.out)
        {
            const ivec inside = j < whole ? ~(ivec){} : within;
            vec total = j < whole ? *(const loose *)(own + j) : V(edge);
            const vec s = 1 / (1 + exponential(between(-87, -V(scatter + j) - V(last->shift + wide + j), 88)));
            total += s * s;
            const vec precision = 1 / total, residual = V(x_hat + j) + V(last->shift + j) - V(x + i * wide + j);
            const vec weighted = residual * precision, chi2 = residual * weighted;
            row += choose(inside, chi2 + logarithm(total), (vec){});
            V(x_hat + j) = weighted * share;
            V(scatter + j) = choose(inside, (1 - chi2) * precision * s * s * (1 - s) * share, (vec){});
        }
        sum += 0.5 * added(row);
    }
    return sum;
}

static void add_bias(const struct layer *l, struct part p)
{
    for (long i = p.first; i < p.last; i++)
        EACH_VECTOR(j, l->width) V(l->active.values + i * l->width + j) += V(l->shift + j);
}

/* The whole network, in a workspace that was zero before the first batch: what lies in the padding stays so. */

struct network {
    long n_layers, n_encoder, n_stars, packed; /* layers: encoder, heads, first, the other hidden ones, last */
    struct layer *layers;
    struct factor x, z;        /* input and draw */
    float *back[2];            /* gradients on their way back; never one buffer for two layers within a stretch */
    float *pull;               /* weight of the divergence in the gradient of each latent */
    double *terms;             /* negative log likelihood of each part (BLOCKS) */
};

static float *take(uintptr_t *at, long size)
{
    float *taken = (float *)*at;
    *at += padded(size) * sizeof(float);
    return taken;
}

static struct factor take_factor(uintptr_t *at, const struct network *net, long width)
{
    struct factor f = { .values = take(at, net->n_stars * width) };
    f.stars = net->packed == 1 ? f.values : take(at, net->n_stars * width / 2);
    f.pairs = net->packed == 1 ? f.values : take(at, (places(net->n_stars + BLOCKS, 2)) * width);
    return f;
}

/* Lay out a workspace that starts at an address; return where it ends. */
static uintptr_t arrange(struct network *net, const struct spec *specs, uintptr_t at)
{
    long widest = 0;
    for (long n = 0; n < net->n_layers; n++) {
        struct layer *l = net->layers + n;
        l->is = specs[n];
        l->width = l->is.copies * padded(l->is.out);
        l->in_width = (l->is.apart ? l->is.copies : 1) * padded(l->is.in);
        widest = l->in_width > widest ? l->in_width : widest;
        l->packed = net->packed;
        l->output = take(&at, net->n_stars * l->width);
        l->active = take_factor(&at, net, l->width);
        l->slope = take_factor(&at, net, l->width);
        float **const vectors[] = { &l->scale, &l->shift, &l->mean, &l->rstd, &l->total[0], &l->total[1] };
        for (int i = 0; i < 6; i++) *vectors[i] = take(&at, l->width);
        for (int i = 0; i < 2; i++) l->sums[i] = take(&at, BLOCKS * l->width);
        l->forward = take(&at, padded(l->is.in) * l->width);
        l->backward = take(&at, l->width * padded(l->is.in));
        l->gradient = take(&at, BLOCKS * l->is.copies * l->is.out * padded(l->is.in));
    }
    net->x = take_factor(&at, net, net->layers[0].in_width);
    net->z = take_factor(&at, net, net->layers[net->n_encoder + 1].in_width);
    net->pull = take(&at, net->layers[net->n_encoder].width);
    for (int i = 0; i < 2; i++) net->back[i] = take(&at, net->n_stars * widest);
    net->terms = (double *)take(&at, BLOCKS * sizeof(double) / sizeof(float));
    return at;
}

/* The nearest bfloat16, the even one of two. */
static uint16_t rounded(float number)
{
    uint32_t whole;
    memcpy(&whole, &number, sizeof whole);
    return (whole + 0x7fff + (whole >> 16 & 1)) >> 16;
}

static void copy_weights(struct layer *l, const float *parameters)
{
    const long in = padded(l->is.in), out = padded(l->is.out);
    uint16_t *const forward = (uint16_t *)l->forward, *const backward = (uint16_t *)l->backward;
    for (long c = 0; c < l->is.copies; c++)
        for (long o = 0; o < l->is.out; o++) {
            const float *row = parameters + l->is.weight + (c * l->is.out + o) * l->is.in;
            const long place = c * out + o;
            for (long i = 0; i < l->is.in; i++)
                if (l->packed == 1) {
                    l->forward[i * l->width + place] = row[i];
                    l->backward[place * in + i] = row[i];
                } else {
                    forward[(i / 2 * l->width + place) * 2 + i % 2] = rounded(row[i]);
                    backward[(place / 2 * in + i) * 2 + place % 2] = rounded(row[i]);
                }
            l->shift[place] = parameters[l->is.shift + c * l->is.out + o];
            if (l->is.scale >= 0) l->scale[place] = parameters[l->is.scale + c * l->is.out + o];
        }
}

static void copy_gradient(const struct layer *l, long row, float *gradient)
{
    const long in = padded(l->is.in), n_rows = l->is.copies * l->is.out;
    float *to = gradient + l->is.weight + row * l->is.in;
    memset(to, 0, l->is.in * sizeof(float));
    for (long b = 0; b < BLOCKS; b++)
        for (long i = 0; i < l->is.in; i++) to[i] += l->gradient[(b * n_rows + row) * in + i];
    const long place = row / l->is.out * padded(l->is.out) + row % l->is.out;
    gradient[l->is.shift + row] = l->total[0][place];
    if (l->is.scale >= 0) gradient[l->is.scale + row] = l->total[1][place];
}

/* Mean divergence of each latent: their sum, returned, and how much each is pulled down. */
static double weigh_divergence(struct network *net, float kl_weight, float free_bits)
{
    struct layer *heads = net->layers + net->n_encoder;
    double sum = 0;
    merge_sums(heads, 1);
    for (long k = 0; k < heads->is.out; k++) {
        const float kl = heads->total[0][k] / net->n_stars;
        net->pull[k] = kl > free_bits ? kl_weight / net->n_stars : 0;
        sum += kl;
    }
    return sum;
}

/* AdamW from one place of the vectors to another, with the roundings of torch's fused kernel, whose last few
   places have one of their own: this way a run is to the bit what it was with that kernel. */
static void update(const struct adamw *with, long first, long last, float *p, const float *g, float *mean,
    float *square)
{
    const long odd = with->n / 8 * 8, turn = odd < first ? first : odd < last ? odd : last;
    for (long i = first; i < last; i++) p[i] *= with->decay;
    for (long i = first; i < last; i++) mean[i] = FMA(with->new_mean, g[i] - mean[i], mean[i]);
    for (long i = first; i < turn; i++)
        square[i] = FMA(with->new_square * g[i], g[i], with->old_square * square[i]);
    for (long i = turn; i < last; i++)
        square[i] = FMA(with->old_square, square[i], with->new_square * g[i] * g[i]);
    for (long i = first; i < last; i++)
        p[i] += with->step * mean[i] / (sqrtf(square[i]) / with->correction + with->epsilon);
}

void adamw(const struct adamw *with, int64_t n_threads, float *parameters, const float *gradient, float *mean,
    float *square)
{
    enum { STRETCH = 1024 }; /* in the nearest cache through all its loops */
    (void)n_threads;
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (long first = 0; first < with->n; first += STRETCH)
        update(with, first, first + STRETCH < with->n ? first + STRETCH : with->n, parameters, gradient, mean, square);
}

/* How many numbers products can take in the place of a float: 2 where there are bfloat16s. */
int64_t most_packed(void) { return PACKED; }

/* Bytes of a workspace for batches of n_stars. */
int64_t workspace_size(const struct spec *specs, int64_t n_layers, int64_t n_encoder, int64_t n_stars, int64_t packed)
{
    struct layer layers[n_layers];
    struct network net = { n_layers, n_encoder, n_stars, packed, .layers = layers };
    return arrange(&net, specs, 0);
}

/* Gradient and the two terms of the loss; the running statistics follow. */
void loss_gradient(const struct spec *specs, int64_t n_layers, int64_t n_encoder, int64_t n_stars, int64_t packed,
    int64_t n_threads, float *workspace, const float *parameters, const float *data, const float *variance,
    const int64_t *rows, const float *noise, float kl_weight, float free_bits, const struct running *running, float *gradient,
    float *terms)
{
    struct layer layers[n_layers];
    struct network net = { n_layers, n_encoder, n_stars, packed, .layers = layers };
    arrange(&net, specs, (uintptr_t)workspace);
    struct layer *const heads = layers + n_encoder, *const first = heads + 1, *const last = layers + n_layers - 1;
    const long n_inputs = layers[0].is.in;
    (void)n_threads;
#pragma omp parallel num_threads(n_threads)
    {
#pragma omp for schedule(static, 1)
        for (long n = 0; n < n_layers; n++) copy_weights(layers + n, parameters);

        const struct factor *input = &net.x; /* of the layer that is next */
        for (struct layer *l = layers; l < last; l++) {
            if (l == heads) l += 2;
#pragma omp for schedule(static)
            for (long b = 0; b < BLOCKS; b++) {
                const struct part p = part_of(b, n_stars, packed);
                if (l == layers) {
                    for (long i = p.first; i < p.last; i++)
                        memcpy(net.x.values + i * l->in_width, star(data, rows, i, p, n_inputs),
                            n_inputs * sizeof *data);
                    pack(&net.x, packed, l->in_width, p);
                } else if (l == first + 1) {
                    normalise_and_activate(heads - 1, p);
                    product(heads, p, &heads[-1].active, heads->output);
                    draw(heads, p, noise, net.z.values);
                    pack(&net.z, packed, first->in_width, p);
                    product(first, p, &net.z, first->active.values);
                    add_bias(first, p);
                    pack(&first->active, packed, first->width, p);
                } else
                    normalise_and_activate(l - 1, p);
                product(l, p, l == first + 1 ? &first->active : input, l->output);
                moments(l, p);
            }
            input = &l->active;
#pragma omp single
            merge_moments(l, n_stars, running);
        }

#pragma omp for schedule(static)
        for (long b = 0; b < BLOCKS; b++) {
            const struct part p = part_of(b, n_stars, packed);
            normalise_and_activate(last - 1, p);
            product(last, p, &last[-1].active, last->slope.values);
            net.terms[b] = reconstruct(last, p, net.x.values, variance, rows, n_stars);
            sum_columns(last, p);
            pack(&last->slope, packed, last->width, p);
            product_weights(last, p, &last[-1].active);
            product_back(last, p, net.back[0]);
            deactivate(last - 1, p, net.back[0]);
        }
#pragma omp single
        {
            double sum = 0;
            for (long b = 0; b < BLOCKS; b++) sum += net.terms[b];
            terms[0] = (float)(sum / n_stars);
            terms[1] = (float)weigh_divergence(&net, kl_weight, free_bits);
            merge_sums(last, 1);
            merge_sums(last - 1, 2);
        }

        for (struct layer *l = last - 1; l >= layers; l--) {
            if (l == first) l -= 2;
#pragma omp for schedule(static)
            for (long b = 0; b < BLOCKS; b++) {
                const struct part p = part_of(b, n_stars, packed);
                denormalise(l, p, n_stars);
                product_weights(l, p, l == layers ? &net.x : &l[-1].active);
                if (l == layers) continue;
                if (l != first + 1) {
                    product_back(l, p, net.back[0]);
                    deactivate(l - 1, p, net.back[0]);
                } else {
                    product_back(l, p, first->slope.values);
                    pack(&first->slope, packed, first->width, p);
                    product_weights(first, p, &net.z);
                    product_back(first, p, net.back[0]);
                    draw_back(heads, p, net.back[0], net.pull);
                    sum_columns(heads, p);
                    pack(&heads->slope, packed, heads->width, p);
                    product_weights(heads, p, &heads[-1].active);
                    product_back(heads, p, net.back[1]);
                    deactivate(heads - 1, p, net.back[1]);
                }
            }
#pragma omp single
            {
                if (l == first + 1) merge_sums(heads, 1);
                if (l > layers) merge_sums(l == first + 1 ? heads - 1 : l - 1, 2);
            }
        }

        for (struct layer *l = layers; l <= last; l++)
#pragma omp for schedule(static) nowait
            for (long row = 0; row < l->is.copies * l->is.out; row++) copy_gradient(l, row, gradient);
    }
}
