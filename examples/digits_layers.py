"""The digits once more, in layer notation: the same definitions, the same gradients."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import symbackprop as sb

images, digits = load_digits(return_X_y=True)
X, X_test, Y, Y_test = train_test_split(images / 16, digits, test_size=1/3, random_state=0)

N = sb.size("N")
x, y = sb.data("x", N, 64), sb.data("y", N, 10, facts=["one_hot"])
h = sb.layers.dense(x, 32, "tanh")
p = sb.softmax(sb.layers.dense(h, 10))
L = sb.losses.cross_entropy(p, y) + sb.penalties.l2(1e-4)


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=p, loss=L)
    print(sb.program(L), model.summary(), model.derivation(), sep="\n\n", end="\n\n")
    stop = sb.callbacks.EarlyStopping(patience=10)
    history = model.fit(X, Y, epochs=200, batch_size=32, validation_data=(X_test, Y_test),
                        optimizer=sb.optimizers.Adam(3e-3), metrics=["accuracy"],
                        callbacks=[stop], verbose=True)
    accuracy = (model.predict(X_test).argmax(1) == Y_test).mean()
    print(f"\nafter {len(history['loss'])} epochs: accuracy {accuracy:.3f} on the held-out third")


if __name__ == "__main__":
    main()
