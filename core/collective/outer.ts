/**
 * What the clusters make of the mean of how far they moved: the outer optimizer of DiLoCo
 * (Douillard et al. 2023, arXiv 2311.08105). With the last common weights θ and those of cluster i,
 * θᵢ, which counts for wᵢ in the mean:
 *
 *   Δ = Σ wᵢ (θ − θᵢ)
 *   none:      θ ← θ − Δ, which is the mean of the clusters
 *   sgd:       v ← μv + Δ,  θ ← θ − lr·v
 *   nesterov:  v ← μv + Δ,  θ ← θ − lr·(Δ + μv)
 *
 * with v = 0 at first, as PyTorch's SGD has it.
 */
export type OuterConfig =
  | { readonly type: "none" }
  | {
    readonly type: "sgd" | "nesterov";
    readonly lr: number;
    /** μ; above 0 for `nesterov`. */
    readonly momentum: number;
  };
