"""From a CSV of measured cells to a served model that tells malignant from benign.

Each row is one sample: thirty measurements of cell nuclei, and the diagnosis.
"""

from millrace import pipeline
from millrace.components import (
    CsvExampleGen,
    Evaluator,
    ExampleValidator,
    Pusher,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
)

LABEL = "diagnosis"


def preprocess(x, t):
    """Every measurement on one scale. Means and deviations are learnt once and saved with the model."""
    features = {name: t.scale_to_z_score(x[name]) for name in x if name != LABEL}
    return {**features, "malignant": t.label(x[LABEL], positive="malignant")}


def fit(x, y, C=1.0, max_iter=1000, seed=0):
    """Any scikit-learn estimator; the names after x and y are its hyperparameters."""
    from sklearn.linear_model import LogisticRegression  # lazy: only the task that trains needs it

    return LogisticRegression(C=C, max_iter=max_iter, random_state=seed).fit(x.to_numpy(), y.to_numpy())


@pipeline(name="breast-cancer")
def breast_cancer(
    data: str = "data/breast_cancer.csv",
    serving: str = "serving/breast-cancer",
    hyperparameters: dict = {"C": 1.0},
    thresholds: dict = {"auc": {"lower_bound": 0.95, "change_absolute": -0.01}},
):
    """CSV -> statistics -> schema -> validation -> features -> model -> evaluation -> serving."""
    examples = CsvExampleGen(data)
    statistics = StatisticsGen(examples)
    schema = SchemaGen(statistics)
    checked = ExampleValidator(statistics, schema)

    features = Transform(examples, schema, preprocess)
    checked >> features  # data that is not as it should be is not learnt from

    trained = Trainer(
        features.transformed_examples,
        fit,
        transform_graph=features.transform_graph,
        schema=schema,
        hyperparameters=hyperparameters,
        class_labels=["benign", "malignant"],
    )
    evaluated = Evaluator(examples, trained, thresholds=thresholds)
    Pusher(trained, evaluated.blessing, serving, model_name="breast-cancer")
