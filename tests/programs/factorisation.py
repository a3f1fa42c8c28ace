"""Matrix factorisation by stochastic descent on single ratings: rows of the factors are moved in place."""


def epoch(P, Q, ratings, lr, lam):
    loss = 0.0
    for user, item, rating in ratings:
        error = rating - P[user] @ Q[item]
        loss += 0.5 * error**2 + 0.5 * lam * (P[user] @ P[user] + Q[item] @ Q[item])
        old = P[user].copy()
        P[user] += lr * (error * Q[item] - lam * P[user])
        Q[item] += lr * (error * old - lam * Q[item])
    return loss
